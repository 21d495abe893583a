// SPDX-License-Identifier: Apache-2.0
// Loops and branches as plans run them, against evaluate_graph: states without copies, memory, and no allocation.
#include "plan/regions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/list.h"
#include "ir/parser.h"
#include "ops/op.h"
#include "passes/specialize.h"
#include "plan/planner.h"
#include "runtime/context.h"

namespace tfengine::plan {
namespace {

// An accumulator, a list that is written row by row, a state that is read after the next one is known, and a counter.
constexpr const char* kLoop = R"(
graph @net(%x: f32[4,3], %n: s32[]) {
  %zero = const s32[] [0] %start = const f32[3] [1, 2, 3] %count = const s32[] [4]
  %list = ListReserve(%count) {element_dtype=f32, element_shape=shape[...]}
  %i, %sum, %rows, %last = While(%zero, %start, %list, %start, %n, %x)
    graph @cond(%ci: s32[], %cs: f32[3], %cr: f32[...], %cl: f32[3], %cn: s32[], %cx: f32[4,3]) {
      %go = Less(%ci, %cn)
      return %go
    }
    graph @body(%bi: s32[], %bs: f32[3], %br: f32[...], %bl: f32[3], %bn: s32[], %bx: f32[4,3]) {
      %axis = const s32[] [0] %one = const s32[] [1] %half = const f32[] [0.5]
      %row = GatherV2(%bx, %bi, %axis)
      %scaled = Mul(%bs, %half)
      %next = Add(%scaled, %row)
      %written = ListSetItem(%br, %bi, %next)
      %mixed = Sub(%next, %bl)
      %more = Add(%bi, %one)
      return %more, %next, %written, %bs
    }
  %y = Tanh(%sum)
  return %y, %rows, %last, %i
}
)";

struct Result {
  std::vector<Tensor> outputs;
  Plan plan;
};

PlanOptions options(const std::string& backend) {
  PlanOptions result;
  result.backends = backends_by_name(backend);
  result.threads = 1;
  result.measure = false;
  return result;
}

ir::Graph parsed(const char* text) {
  ir::Graph graph = ir::parse(text);
  ops::infer_graph(graph);
  return graph;
}

std::vector<Tensor> run(const ir::Graph& graph, const std::vector<Tensor>& inputs, const std::string& backend) {
  std::vector<Shape> shapes;
  std::vector<const void*> in;
  for (const Tensor& input : inputs) {
    shapes.push_back(input.shape());
    in.push_back(input.data());
  }
  SystemAllocator allocator;
  PackedStore packed(allocator);
  runtime::Context context(
      runtime::prepare(make_plan(passes::specialize(graph, shapes), packed, options(backend)), packed), allocator);
  std::vector<Tensor> outputs;
  std::vector<void*> out;
  for (const ir::GraphOutput& output : context.plan().graph.outputs) {
    const TensorDesc& desc = context.plan().descs[static_cast<size_t>(output.value)];
    outputs.emplace_back(desc.dtype, desc.shape);
    out.push_back(outputs.back().mutable_data());
  }
  for (int repeat = 0; repeat < 2; ++repeat) context.run(in, out);  // the second finds the first one's remains
  return outputs;
}

void expect_as_evaluated(const char* text, const std::vector<Tensor>& inputs) {
  const ir::Graph graph = parsed(text);
  const std::vector<Tensor> expected = ops::evaluate_graph(graph, inputs);
  for (const char* backend : {"", "reference"}) {
    const std::vector<Tensor> got = run(graph, inputs, backend);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i].shape(), expected[i].shape()) << backend << " output " << i;
      if (got[i].dtype() != DType::F32) {
        EXPECT_EQ(std::memcmp(got[i].data(), expected[i].data(), got[i].bytes()), 0) << backend << " output " << i;
        continue;
      }
      for (int64_t e = 0; e < got[i].elements(); ++e) {
        EXPECT_NEAR(got[i].as<float>()[e], expected[i].as<float>()[e], 1e-6) << backend << " output " << i;
      }
    }
  }
}

Tensor numbers(Shape shape) {
  Tensor tensor(DType::F32, std::move(shape));
  for (int64_t i = 0; i < tensor.elements(); ++i) tensor.mutable_as<float>()[i] = std::sin(static_cast<float>(i));
  return tensor;
}
Tensor integer(int32_t value) { return Tensor::of<int32_t>(DType::S32, Shape{}, {value}); }

TEST(Regions, LoopsRunAsTheyAreEvaluated) {
  for (const int32_t steps : {1, 2, 3, 4}) expect_as_evaluated(kLoop, {numbers({4, 3}), integer(steps)});
}

TEST(Regions, ALoopThatDoesNotBeginReturnsItsFirstStates) {
  const std::vector<Tensor> got = run(parsed(kLoop), {numbers({4, 3}), integer(0)}, "");
  EXPECT_EQ(got[1].shape(), (Shape{4, 3}));
  for (int64_t i = 0; i < 12; ++i) EXPECT_EQ(got[1].as<float>()[i], 0.0f);
  EXPECT_EQ(got[2].as<float>()[2], 3.0f);
  EXPECT_EQ(*got[3].as<int32_t>(), 0);
}

TEST(Regions, StatesAreWrittenOverThemselvesWhereNobodyReadsThemLater) {
  SystemAllocator allocator;
  PackedStore packed(allocator);
  const Plan plan = make_plan(passes::specialize(parsed(kLoop), std::vector<Shape>{{4, 3}, {}}), packed, options(""));
  const auto loop =
      std::find_if(plan.steps.begin(), plan.steps.end(), [](const Step& step) { return !step.regions.plans.empty(); });
  ASSERT_NE(loop, plan.steps.end());
  EXPECT_EQ(loop->backend, kRegionBackend);
  const std::vector<int64_t>& next = loop->regions.next_state;
  ASSERT_EQ(next.size(), 4u);
  EXPECT_EQ(next[2], RegionPlans::kInPlace);  // the list
  // The sum as it was is another state's next value, and is read when the next sum is known.
  EXPECT_NE(next[1], RegionPlans::kInPlace);
  // Regions lie in the arena of the plan that they are in, beside what lives there while they run.
  EXPECT_GE(plan.arena_bytes, static_cast<uint64_t>(loop->regions.scratch_offset) + loop->regions.scratch_bytes);
  EXPECT_GE(plan.arena_bytes, plan.arena_lower_bound_bytes);
}

TEST(Regions, BranchesRunWhatIsChosen) {
  constexpr const char* kCase = R"(
graph @net(%x: f32[2,3], %way: s32[]) {
  %y, %z = Case(%way, %x)
    graph @branch0(%a: f32[2,3]) { %n = Neg(%a) return %n, %a as "same" }
    graph @branch1(%b: f32[2,3]) { %t = Tanh(%b) %u = Add(%t, %b) return %u, %t }
    graph @branch2(%c: f32[2,3]) { %k = const f32[2,3] splat(7) return %k, %c as "same" }
  %w = Mul(%y, %z)
  return %w, %y
}
)";
  for (const int32_t way : {0, 1, 2, 3, -1}) expect_as_evaluated(kCase, {numbers({2, 3}), integer(way)});
}

TEST(Regions, LoopsInBranchesInLoops) {
  constexpr const char* kNested = R"(
graph @net(%x: f32[3], %n: s32[]) {
  %zero = const s32[] [0]
  %i, %y = While(%zero, %x, %n)
    graph @cond(%ci: s32[], %cy: f32[3], %cn: s32[]) { %go = Less(%ci, %cn) return %go }
    graph @body(%bi: s32[], %by: f32[3], %bn: s32[]) {
      %one = const s32[] [1] %two = const s32[] [2] %none = const s32[] [0]
      %rest = FloorMod(%bi, %two)
      %even = Equal(%rest, %none)
      %z = If(%even, %by, %bi)
        graph @then(%ta: f32[3], %ti: s32[]) {
          %tz = const s32[] [0]
          %j, %s = While(%tz, %ta, %ti)
            graph @cond2(%dj: s32[], %ds: f32[3], %dn: s32[]) { %dgo = LessEqual(%dj, %dn) return %dgo }
            graph @body2(%ej: s32[], %es: f32[3], %en: s32[]) {
              %eone = const s32[] [1]
              %ek = Add(%ej, %eone)
              %et = Tanh(%es)
              %eu = Add(%et, %es)
              return %ek, %eu
            }
          return %s
        }
        graph @else(%fa: f32[3], %fi: s32[]) { %fs = Neg(%fa) return %fs }
      %more = Add(%bi, %one)
      return %more, %z
    }
  return %y
}
)";
  for (const int32_t steps : {0, 1, 2, 5}) expect_as_evaluated(kNested, {numbers({3}), integer(steps)});
}

// The watcher sees each iteration, with the states as they are.
TEST(Regions, WatchersSeeEveryIteration) {
  SystemAllocator allocator;
  PackedStore packed(allocator);
  const auto prepared = runtime::prepare(
      make_plan(passes::specialize(parsed(kLoop), std::vector<Shape>{{4, 3}, {}}), packed, options("")), packed);
  runtime::Context context(prepared, allocator);
  const Tensor x = numbers({4, 3}), n = integer(3);
  std::vector<Tensor> outputs = {Tensor(DType::F32, {3}), Tensor(DType::F32, {4, 3}), Tensor(DType::F32, {3}),
                                 Tensor(DType::S32, {})};
  std::vector<const void*> in = {x.data(), n.data()};
  std::vector<void*> out;
  for (Tensor& output : outputs) out.push_back(output.mutable_data());
  std::vector<float> seen;
  int conditions = 0;
  context.run_observed(in, out, [&](const RunningPlan& running, int step, double) {
    conditions += running.plan().graph.name == "cond" && step == -1;
    if (running.plan().graph.name != "body" || step != -1) return;
    const ir::ValueId sum = running.plan().graph.find_value("bs");
    seen.push_back(static_cast<const float*>(running.address(sum))[0]);
  });
  EXPECT_EQ(conditions, 4);
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0], 1.0f);
  EXPECT_NEAR(seen[1], 0.5f * seen[0] + x.as<float>()[0], 1e-6);
  EXPECT_NEAR(seen[2], 0.5f * seen[1] + x.as<float>()[3], 1e-6);
}

}  // namespace
}  // namespace tfengine::plan
