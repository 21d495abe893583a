// SPDX-License-Identifier: Apache-2.0
// Plans against evaluate_graph: shared memory, views and in-place results must not change a number.
#include "plan/planner.h"

#include <gtest/gtest.h>

#include <cmath>

#include "backends/list.h"
#include "ir/parser.h"
#include "ops/op.h"
#include "runtime/context.h"
#include "tfengine/error.h"

namespace tfengine::plan {
namespace {

constexpr const char* kResidual = R"(
graph @net(%x: f32[2,8,8,16]) {
  %w1 = const f32[3,3,16,16] uniform(1, -0.2, 0.2)
  %w2 = const f32[1,1,16,16] uniform(2, -0.2, 0.2)
  %a = Conv2D(%x, %w1) {strides=[1,1,1,1], padding="SAME"} epilogue(after=Relu)
  %b = Conv2D(%a, %w2, %a) {strides=[1,1,1,1], padding="SAME"} epilogue(residual=2, after=Relu)
  %c = Sigmoid(%b)
  %d = Mul(%b, %c)
  return %d
}
)";

constexpr const char* kConcats = R"(
graph @net(%x: f32[1,6,6,8]) {
  %axis = const s32[] [3]
  %p = MaxPool(%x) {ksize=[1,3,3,1], strides=[1,1,1,1], padding="SAME"}
  %a = Relu(%x)
  %c1 = ConcatV2(%a, %p, %axis) {N=2}
  %q = AvgPool(%c1) {ksize=[1,3,3,1], strides=[1,1,1,1], padding="SAME"}
  %c2 = ConcatV2(%c1, %q, %axis) {N=2}
  %r = Tanh(%c2)
  %c3 = ConcatV2(%r, %c2, %axis) {N=2}
  return %c3
}
)";

Tensor input_for(const ir::Graph& graph) {
  Tensor tensor(DType::F32, graph.value(graph.inputs[0]).shape);
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    tensor.mutable_as<float>()[i] = std::sin(static_cast<float>(i) * 0.37f);
  }
  return tensor;
}

PlanOptions options(const std::string& backend = "") {
  PlanOptions result;
  result.backends = backends_by_name(backend);
  result.threads = 2;
  return result;
}

ir::Graph parsed(const char* text) {
  ir::Graph graph = ir::parse(text);
  ops::infer_graph(graph);
  return graph;
}

void expect_same_numbers(const char* text, const PlanOptions& plan_options) {
  const ir::Graph graph = parsed(text);
  const Tensor input = input_for(graph);
  const Tensor expected = ops::evaluate_graph(graph, std::vector<Tensor>{input})[0];
  SystemAllocator allocator;
  PackedStore packed(allocator);
  runtime::Context context(runtime::prepare(make_plan(graph, packed, plan_options), packed), allocator);
  Tensor got(DType::F32, expected.shape());
  const void* in = input.data();
  void* out = got.mutable_data();
  for (int run = 0; run < 2; ++run) {  // the second run finds the first one's remains in the arena
    context.run({&in, 1}, {&out, 1});
    for (int64_t i = 0; i < got.elements(); ++i) ASSERT_NEAR(got.as<float>()[i], expected.as<float>()[i], 1e-4) << i;
  }
}

TEST(Planner, ResidualInPlace) { expect_same_numbers(kResidual, options()); }
TEST(Planner, NestedConcatsAsViews) { expect_same_numbers(kConcats, options()); }
TEST(Planner, ReferenceBackend) {
  expect_same_numbers(kResidual, options("reference"));
  expect_same_numbers(kConcats, options("reference"));
}
TEST(Planner, EachStepKnowsTheWeightsThatComeNext) {
  ir::Graph graph = parsed(kResidual);
  PackedStore packed(default_allocator());
  PlanOptions untimed = options();
  untimed.measure = false;
  const auto prepared = runtime::prepare(make_plan(std::move(graph), packed, untimed), packed);
  std::vector<const std::byte*> weights;
  for (const auto& kernel : prepared->kernels) {
    if (kernel != nullptr && !kernel->weights().empty()) weights.push_back(kernel->weights().data());
  }
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_EQ(prepared->ahead[0].data(), weights[1]);
  EXPECT_TRUE(prepared->ahead.back().empty());
}

// More weights than caches hold: times are taken with the weights in memory, and kept apart from other times.
TEST(Planner, TimesOfLargeNetworksAreTheirOwn) {
  const auto plan_with = [](const char* text, TimingCache& times) {
    PlanOptions timed = options();
    timed.timing_cache = &times;
    PackedStore packed(default_allocator());
    make_plan(parsed(text), packed, timed);
    return times.size();
  };
  constexpr const char* kSmall = R"(
graph @net(%x: f32[1,64]) {
  %w = const f32[64,64] uniform(1, -0.2, 0.2)
  %y = MatMul(%x, %w)
  return %y
}
)";
  constexpr const char* kLarge = R"(
graph @net(%x: f32[1,64], %z: f32[1,2048]) {
  %w = const f32[64,64] uniform(1, -0.2, 0.2)
  %v = const f32[2048,2048] uniform(2, -0.2, 0.2)
  %y = MatMul(%x, %w)
  %u = MatMul(%z, %v)
  return %y, %u
}
)";
  TimingCache times;
  const size_t small = plan_with(kSmall, times);
  EXPECT_GT(small, 0u);
  const size_t both = plan_with(kLarge, times);
  EXPECT_GE(both, 3 * small);  // the small product was timed again
  EXPECT_EQ(plan_with(kLarge, times), both);
}

TEST(Planner, NothingShared) {
  PlanOptions apart = options();
  apart.share_memory = false;
  expect_same_numbers(kResidual, apart);
  apart.share_memory = true;
  apart.keep_all = true;
  expect_same_numbers(kConcats, apart);
}

constexpr const char* kPools = R"(
graph @net(%x: f32[1,8,8,16]) {
  %a = MaxPool(%x) {ksize=[1,3,3,1], strides=[1,1,1,1], padding="SAME"}
  %b = MaxPool(%a) {ksize=[1,3,3,1], strides=[1,1,1,1], padding="SAME"}
  %c = MaxPool(%b) {ksize=[1,3,3,1], strides=[1,1,1,1], padding="SAME"}
  %d = MaxPool(%c) {ksize=[1,3,3,1], strides=[1,1,1,1], padding="SAME"}
  return %d
}
)";

// Blocks of the arena that lie over one another, whatever their times.
int overlaps(const Plan& plan) {
  int count = 0;
  for (size_t i = 0; i < plan.arena.size(); ++i) {
    for (size_t k = i + 1; k < plan.arena.size(); ++k) {
      const ArenaBlock &a = plan.arena[i], &b = plan.arena[k];
      count += a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes ? 1 : 0;
    }
  }
  return count;
}

TEST(Planner, KeptTensorsLieApart) {
  SystemAllocator allocator;
  PackedStore packed(allocator);
  PlanOptions kept = options();
  kept.measure = false;
  EXPECT_GT(overlaps(make_plan(parsed(kPools), packed, kept)), 0);
  kept.keep_all = true;
  for (const char* text : {kPools, kResidual, kConcats}) {
    const Plan plan = make_plan(parsed(text), packed, kept);
    EXPECT_GT(plan.arena.size(), 1u);
    EXPECT_EQ(overlaps(plan), 0);
  }
}

TEST(Planner, ConcatOfViewsIsElided) {
  SystemAllocator allocator;
  PackedStore packed(allocator);
  const Plan plan = make_plan(parsed(kConcats), packed, options());
  int elided = 0;
  for (const Step& step : plan.steps) elided += step.elided ? 1 : 0;
  EXPECT_EQ(elided, 3);
}

TEST(Planner, WorkspaceLimitRejectsTactics) {
  SystemAllocator allocator;
  PackedStore packed(allocator);
  PlanOptions limited = options();
  limited.max_workspace_size_bytes = 0;
  const Plan plan = make_plan(parsed(kResidual), packed, limited);
  EXPECT_EQ(plan.workspace_bytes, 0u);
  expect_same_numbers(kResidual, limited);
}

TEST(Planner, RecordedTacticsAreTakenWithoutMeasuring) {
  SystemAllocator allocator;
  PackedStore packed(allocator);
  const Plan first = make_plan(parsed(kResidual), packed, options());
  std::map<std::string, ChosenTactic> chosen;
  for (const Step& step : first.steps)
    chosen[first.graph.node(step.node).name] = {step.backend, step.tactic.name, 42.0, {}};
  PlanOptions again = options();
  again.recorded = &chosen;
  const Plan second = make_plan(parsed(kResidual), packed, again);
  for (size_t i = 0; i < first.steps.size(); ++i) {
    EXPECT_EQ(second.steps[i].tactic.name, first.steps[i].tactic.name);
    EXPECT_EQ(second.steps[i].time_us, 42.0);
  }
}

TEST(Planner, UnknownShapesAreNamed) {
  ir::Graph graph = ir::parse("graph @g(%x: f32[?,4]) {\n  %y = Relu(%x)\n  return %y\n}\n");
  ops::infer_graph(graph);
  SystemAllocator allocator;
  PackedStore packed(allocator);
  try {
    make_plan(graph, packed, options());
    FAIL() << "expected InvalidModel";
  } catch (const InvalidModel& error) {
    EXPECT_EQ(std::string(error.what()),
              "Relu 'y': the shape of its output is [?,4] for these inputs, expected one that is known before the run");
  }
}

// Every allocation refused in turn: OutOfMemory each time, nothing lost, and the next try works.
TEST(Planner, FaultAtEveryAllocation) {
  class Faulty : public Allocator {
   public:
    void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override {
      return count_++ == fail_at_ ? nullptr : inner_.allocate(bytes, alignment, purpose);
    }
    void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override {
      inner_.deallocate(pointer, bytes, purpose);
    }
    uint64_t bytes_in_use() const noexcept override { return inner_.bytes_in_use(); }
    uint64_t limit_bytes() const noexcept override { return inner_.limit_bytes(); }
    void fail_at(int index) {
      fail_at_ = index;
      count_ = 0;
    }

   private:
    SystemAllocator inner_;
    int fail_at_ = -1;
    int count_ = 0;
  } allocator;
  const ir::Graph graph = parsed(kResidual);
  PlanOptions unmeasured = options();
  unmeasured.measure = false;
  int refused = 0;
  for (int index = 0;; ++index) {
    allocator.fail_at(index);
    try {
      PackedStore packed(allocator);
      runtime::Context context(runtime::prepare(make_plan(graph, packed, unmeasured), packed), allocator);
      break;
    } catch (const OutOfMemory& error) {
      EXPECT_NE(std::string(error.what()).find("out of memory: "), std::string::npos);
      ++refused;
    }
    EXPECT_EQ(allocator.bytes_in_use(), 0u);
    ASSERT_LT(index, 100);
  }
  EXPECT_GT(refused, 0);
}

TEST(Planner, AllocatesWhatThePlanSays) {
  SystemAllocator allocator;
  PackedStore packed(allocator);
  auto prepared = runtime::prepare(make_plan(parsed(kResidual), packed, options()), packed);
  const runtime::Context context(prepared, allocator);
  const AllocatorStats stats = allocator.stats();
  EXPECT_EQ(stats.in_use_bytes[static_cast<size_t>(Purpose::Weights)], packed.bytes());
  EXPECT_EQ(stats.in_use_bytes[static_cast<size_t>(Purpose::Activations)], prepared->plan.arena_bytes);
  EXPECT_EQ(stats.in_use_bytes[static_cast<size_t>(Purpose::Workspace)], prepared->plan.workspace_bytes);
}

// Steps are timed on zeros, which integers are not divided by.
TEST(Planner, StepsThatRefuseWhatTheyAreTimedOnArePlanned) {
  const ir::Graph graph = parsed(R"(graph @g(%x: s32[8], %y: s32[8]) {
    %a = FloorDiv(%x, %y)
    %b = Add(%a, %y)
    return %b
  })");
  PackedStore packed(default_allocator());
  const Plan plan = make_plan(graph, packed, options());
  ASSERT_EQ(plan.steps.size(), 2u);
  EXPECT_EQ(plan.steps[0].tactic.name, "own:typed");
  EXPECT_EQ(plan.steps[0].time_us, 0.0);
  EXPECT_GT(plan.steps[1].time_us, 0.0);
}

}  // namespace
}  // namespace tfengine::plan
