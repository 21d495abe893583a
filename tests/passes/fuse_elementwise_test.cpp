// SPDX-License-Identifier: Apache-2.0
// Which nodes come together. That the numbers stay, random graphs show: tests/ops/fused_elementwise_test.cpp.
#include "passes/fuse_elementwise.h"

#include <fmt/core.h>

#include "ir/verifier.h"
#include "ops/fused_elementwise.h"
#include "ops/op.h"
#include "passes/support.h"

namespace tfengine::passes {
namespace {

bool elementwise(const ir::Graph&, const ir::Node& node) {
  const ops::Op* op = ops::find_op(node.op);
  return op != nullptr && op->elementwise;
}

struct Fused {
  ir::Graph graph;
  int made = 0;
  std::string nodes;
};

Fused fuse(std::string_view text, const CanFuse& can_fuse = elementwise) {
  Fused result;
  const ir::Graph before = parse_and_infer(text);
  result.graph = before;
  result.made = fuse_elementwise(result.graph, can_fuse);
  ir::verify(result.graph);
  const std::vector<Tensor> inputs = random_inputs(before, 7);
  expect_same_outputs(ops::evaluate_graph(before, inputs), ops::evaluate_graph(result.graph, inputs), 0.0, "fused");
  for (const ir::NodeId id : result.graph.order()) {
    const ir::Node& node = result.graph.node(id);
    result.nodes += node.op + " " + node.name;
    if (ops::is_fused(node)) {
      for (const ir::NodeId inner : node.regions[0].order()) result.nodes += " " + node.regions[0].node(inner).op;
    }
    result.nodes += "\n";
  }
  return result;
}

TEST(FuseElementwise, ChainWithBroadcastsAndScalars) {
  const Fused fused = fuse(R"(graph @g(%x: f32[2,3,4], %row: f32[4], %all: f32[]) {
    %half = const f32[] [0.5]
    %a = Mul(%x, %half)
    %b = Add(%a, %row)
    %c = Sub(%all, %b)
    %d = Tanh(%c)
    return %d
  })");
  EXPECT_EQ(fused.nodes, "FusedElementwise d Mul Add Sub Tanh\n");
  const ir::Node& node = fused.graph.node(0);
  EXPECT_EQ(node.inputs.size(), 3u) << "a constant of one element stands inside";
  EXPECT_EQ(fused.graph.value(node.outputs[0]).name, "d");
}

TEST(FuseElementwise, SmallerResultsStayOutside) {
  const Fused fused = fuse(R"(graph @g(%x: f32[5,4], %row: f32[4]) {
    %r = Relu(%row)
    %s = Exp(%r)
    %a = Mul(%x, %s)
    %b = Relu(%a)
    return %b
  })");
  EXPECT_EQ(fused.nodes, "FusedElementwise s Relu Exp\nFusedElementwise b Mul Relu\n");
}

TEST(FuseElementwise, ResultsThatOthersNeedAreOutputs) {
  const Fused fused = fuse(R"(graph @g(%x: f32[5,4]) {
    %a = Relu(%x)
    %b = Exp(%a)
    %c = Add(%b, %a)
    %d = Softmax(%b)
    %e = Add(%d, %c)
    return %e, %a
  })");
  // 'e' cannot have 'c' with it: it waits for 'd', which waits for 'b'.
  EXPECT_EQ(fused.nodes, "FusedElementwise c Relu Exp Add\nSoftmax d\nAdd e\n");
  const ir::Node& node = fused.graph.node(0);
  ASSERT_EQ(node.outputs.size(), 3u);
  EXPECT_EQ(fused.graph.value(node.outputs[0]).name, "c");
}

TEST(FuseElementwise, DeniedNodesAndOthersStay) {
  const CanFuse no_tanh = [](const ir::Graph& graph, const ir::Node& node) {
    return node.op != "Tanh" && elementwise(graph, node);
  };
  const Fused fused = fuse(R"(graph @g(%x: f32[6]) {
    %a = Relu(%x)
    %b = Abs(%a)
    %t = Tanh(%b)
    %c = Square(%t)
    return %c
  })",
                           no_tanh);
  EXPECT_EQ(fused.nodes, "FusedElementwise b Relu Abs\nTanh t\nSquare c\n");
}

// Of a sum far ahead of its user, its operands would be held instead of the sum while the softmaxes run.
TEST(FuseElementwise, HoldsNoMoreTensorsMeanwhile) {
  const Fused fused = fuse(R"(graph @g(%x: f32[8,8], %y: f32[8,8], %z: f32[8,8]) {
    %a = Add(%x, %y)
    %s = Softmax(%z)
    %t = Softmax(%s)
    %b = Add(%a, %t)
    %c = Relu(%b)
    return %c
  })");
  EXPECT_EQ(fused.nodes, "Add a\nSoftmax s\nSoftmax t\nFusedElementwise c Add Relu\n");
}

TEST(FuseElementwise, BoundedInNodes) {
  std::string text = "graph @g(%x0: f32[9]) {\n";
  for (int i = 0; i < 100; ++i) text += fmt::format("%x{} = Sin(%x{})\n", i + 1, i);
  const Fused fused = fuse(text + "return %x100\n}");
  EXPECT_EQ(fused.made, 5);
  for (ir::NodeId id = 0; id < fused.graph.node_count(); ++id)
    EXPECT_LE(fused.graph.node(id).regions[0].node_count(), 24);
}

// A cell of a loop: its next values are at the outputs whose inputs they replace.
TEST(FuseElementwise, StatesOfLoops) {
  ir::Graph graph = parse_and_infer(R"(graph @g(%h: f32[4], %c: f32[4], %x: f32[4]) {
    %f = Sigmoid(%x)
    %k = Mul(%f, %c)
    %n = Add(%k, %x)
    %t = Tanh(%n)
    %m = Mul(%t, %f)
    return %m, %n, %x
  })");
  EXPECT_EQ(fuse_elementwise(graph, elementwise), 1);
  const ir::Node& node = graph.node(0);
  ASSERT_EQ(node.outputs.size(), 2u);
  EXPECT_EQ(graph.value(node.outputs[1]).name, "n");
  EXPECT_EQ(graph.value(node.inputs[1]).name, "c");
}

}  // namespace
}  // namespace tfengine::passes
