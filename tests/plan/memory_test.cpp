// SPDX-License-Identifier: Apache-2.0
// Plans that need less memory: parts that stay where they lie, and orders of steps. No number may change by it.
#include <gtest/gtest.h>

#include <cmath>

#include "backends/list.h"
#include "ir/parser.h"
#include "ops/op.h"
#include "plan/planner.h"
#include "runtime/context.h"
#include "support/random.h"

namespace tfengine::plan {
namespace {

PlanOptions untimed() {
  PlanOptions options;
  options.backends = backends_by_name("");
  options.threads = 2;
  options.measure = false;
  return options;
}

ir::Graph parsed(const std::string& text) {
  ir::Graph graph = ir::parse(text);
  ops::infer_graph(graph);
  return graph;
}

// Plans, runs twice (the second run finds the first one's remains) and compares with evaluation.
Plan expect_same_numbers(const ir::Graph& graph, const PlanOptions& options) {
  testing::Random random(7);
  const std::vector<Tensor> inputs = testing::random_inputs(random, graph);
  const std::vector<Tensor> expected = ops::evaluate_graph(graph, inputs);
  SystemAllocator allocator;
  PackedStore packed(allocator);
  Plan plan = make_plan(graph, packed, options);
  runtime::Context context(runtime::prepare(plan, packed), allocator);
  std::vector<const void*> in;
  for (const Tensor& input : inputs) in.push_back(input.data());
  std::vector<Tensor> got;
  std::vector<void*> out;
  for (const Tensor& tensor : expected) {
    got.emplace_back(tensor.dtype(), tensor.shape());
    out.push_back(got.back().mutable_data());
  }
  for (int run = 0; run < 2; ++run) {
    context.run(in, out);
    for (size_t o = 0; o < got.size(); ++o) {
      for (int64_t i = 0; i < got[o].elements(); ++i) {
        const float want = expected[o].as<float>()[i];
        EXPECT_NEAR(got[o].as<float>()[i], want, 1e-4 * (1.0 + std::abs(want))) << "output " << o << " at " << i;
        if (::testing::Test::HasFailure()) return plan;
      }
    }
  }
  return plan;
}

bool elided(const Plan& plan, const std::string& node) {
  for (const Step& step : plan.steps) {
    if (plan.graph.node(step.node).name == node) return step.elided;
  }
  ADD_FAILURE() << "no step " << node;
  return false;
}

TEST(Parts, ChannelsAreReadWhereTheyLie) {
  const Plan plan = expect_same_numbers(parsed(R"(
graph @net(%x: f32[2,5,5,24]) {
  %axis = const s32[] [3]
  %y = Relu(%x)
  %a, %b, %c = Split(%axis, %y) {num_split=3}
  %p = MaxPool(%a) {ksize=[1,3,3,1], strides=[1,1,1,1], padding="SAME"}
  %q = Sigmoid(%b)
  %s = Add(%p, %q)
  %t = Mul(%s, %c)
  return %t
}
)"),
                                        untimed());
  EXPECT_TRUE(elided(plan, "a"));
}

// The whole is written over an operand that dies, its parts with it.
TEST(Parts, OfAResultThatOverwritesAnOperand) {
  const Plan plan = expect_same_numbers(parsed(R"(
graph @net(%x: f32[1,4,4,32]) {
  %axis = const s32[] [3]
  %w = const f32[1,1,32,32] uniform(1, -0.3, 0.3)
  %y = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
  %z = Sigmoid(%y)
  %a, %b = Split(%axis, %z) {num_split=2}
  %s = Mul(%a, %b)
  return %s
}
)"),
                                        untimed());
  EXPECT_TRUE(elided(plan, "a"));
  EXPECT_EQ(plan.arena_bytes, uint64_t{4 * 4 * 32 * 4});
}

TEST(Parts, OfAViewOfAnotherShape) {
  const Plan plan = expect_same_numbers(parsed(R"(
graph @net(%x: f32[2,3,48]) {
  %axis = const s32[] [2]
  %shape = const s32[3] [2,6,24]
  %t = Tanh(%x)
  %r = Reshape(%t, %shape)
  %a, %b, %c = Split(%axis, %r) {num_split=3}
  %s = Add(%a, %b)
  %u = Add(%s, %c)
  return %u
}
)"),
                                        untimed());
  EXPECT_TRUE(elided(plan, "r"));
  EXPECT_TRUE(elided(plan, "a"));
}

TEST(Parts, SlicesOfRowsAreDense) {
  const Plan plan = expect_same_numbers(parsed(R"(
graph @net(%x: f32[4,4,16]) {
  %begin = const s32[3] [2,0,0]
  %size = const s32[3] [1,4,16]
  %shape = const s32[2] [4,16]
  %w = const f32[16,8] uniform(3, -0.4, 0.4)
  %y = Relu(%x)
  %part = Slice(%y, %begin, %size)
  %flat = Reshape(%part, %shape)
  %z = MatMul(%flat, %w)
  return %z
}
)"),
                                        untimed());
  EXPECT_TRUE(elided(plan, "part"));
  EXPECT_TRUE(elided(plan, "flat"));
}

// What takes no slices, or starts off a cache line, gets a copy.
TEST(Parts, AreCopiedForThoseThatTakeNoSlices) {
  const ir::Graph graph = parsed(R"(
graph @net(%x: f32[3,5,10], %z: f32[3,5,10]) {
  %axis = const s32[] [2]
  %rows = const s32[] [0]
  %w = const f32[5,8] uniform(3, -0.4, 0.4)
  %y = Relu(%x)
  %a, %b = Split(%axis, %y) {num_split=2}
  %m = BatchMatMulV2(%a, %w)
  %n = BatchMatMulV2(%b, %w)
  %s = Add(%m, %n)
  %v = Tanh(%z)
  %c, %d, %e = Split(%rows, %v) {num_split=3}
  %f = Add(%c, %d)
  %g = Add(%f, %e)
  return %s, %g
}
)");
  const Plan plan = expect_same_numbers(graph, untimed());
  EXPECT_FALSE(elided(plan, "a"));
  EXPECT_FALSE(elided(plan, "c"));  // 200 bytes
}

TEST(Parts, GraphInputsAndOutputsKeepTheirPlaces) {
  expect_same_numbers(parsed(R"(
graph @net(%x: f32[2,2,16]) {
  %axis = const s32[] [2]
  %a, %b = Split(%axis, %x) {num_split=2}
  %s = Sub(%a, %b)
  %y = Sigmoid(%x)
  %c, %d = Split(%axis, %y) {num_split=2}
  %t = Mul(%c, %d)
  return %s, %y, %d, %t
}
)"),
                      untimed());
}

TEST(Pieces, AlongTheOutermostAxisAreWrittenInPlace) {
  const Plan plan = expect_same_numbers(parsed(R"(
graph @net(%x: f32[1,4,16], %y: f32[1,2,16]) {
  %axis = const s32[] [1]
  %a = Sigmoid(%x)
  %b = Tanh(%y)
  %c = ConcatV2(%a, %b, %axis) {N=2}
  %d = Relu(%c)
  return %d
}
)"),
                                        untimed());
  EXPECT_TRUE(elided(plan, "c"));
}

// Two branches that widen and then shrink; in the graph's own order both are wide at once.
constexpr const char* kBranches = R"(
graph @net(%x: f32[1,8,8,8]) {
  %w1 = const f32[1,1,8,64] uniform(1, -0.2, 0.2)
  %w2 = const f32[1,1,8,64] uniform(2, -0.2, 0.2)
  %n1 = const f32[1,1,64,8] uniform(3, -0.2, 0.2)
  %n2 = const f32[1,1,64,8] uniform(4, -0.2, 0.2)
  %axis = const s32[] [3]
  %r = Relu(%x)
  %a = Conv2D(%r, %w1) {strides=[1,1,1,1], padding="SAME"}
  %b = Conv2D(%r, %w2) {strides=[1,1,1,1], padding="SAME"}
  %c = Conv2D(%a, %n1) {strides=[1,1,1,1], padding="SAME"}
  %d = Conv2D(%b, %n2) {strides=[1,1,1,1], padding="SAME"}
  %s = Add(%c, %d)
  %t = Relu(%s)
  return %t
}
)";

TEST(Order, OneBranchAfterTheOther) {
  const Plan plan = expect_same_numbers(parsed(kBranches), untimed());
  EXPECT_LT(plan.arena_bytes, plan.own_order_arena_bytes);
  EXPECT_EQ(plan.arena_bytes, plan.arena_lower_bound_bytes);
  EXPECT_EQ(plan.arena_bytes, plan.any_order_bound_bytes);
  PlanOptions own = untimed();
  own.reorder = false;
  const Plan unordered = expect_same_numbers(parsed(kBranches), own);
  EXPECT_EQ(unordered.arena_bytes, plan.own_order_arena_bytes);
}

TEST(Order, IsTheGraphsOwnWhereNothingIsGained) {
  PackedStore packed(default_allocator());
  const Plan plan = make_plan(parsed(R"(
graph @net(%x: f32[1,8,8,8]) {
  %a = Relu(%x)
  %b = Sigmoid(%a)
  %c = Tanh(%a)
  %d = Add(%b, %c)
  return %d
}
)"),
                              packed, untimed());
  for (size_t i = 0; i < plan.steps.size(); ++i) EXPECT_EQ(plan.steps[i].node, plan.graph.order()[i]);
  EXPECT_EQ(plan.arena_bytes, plan.own_order_arena_bytes);
}

TEST(Order, RandomNetworksKeepTheirNumbers) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  testing::Random random(seed);
  for (int round = 0; round < 10; ++round) {
    ir::Graph graph = testing::random_network(random);
    for (const ir::ValueId id : graph.inputs) graph.value(id).shape[0] = 2;
    ops::infer_graph(graph);
    const Plan plan = expect_same_numbers(graph, untimed());
    EXPECT_LE(plan.arena_bytes, plan.own_order_arena_bytes);
    EXPECT_GE(plan.arena_bytes, plan.arena_lower_bound_bytes);
    EXPECT_GE(plan.arena_lower_bound_bytes, plan.any_order_bound_bytes);
  }
}

}  // namespace
}  // namespace tfengine::plan
