// SPDX-License-Identifier: Apache-2.0
// Layers that multiply bfloat16 numbers: what stays float32, what the backend makes of them, and the way back.
#include "compiler/to_bf16.h"

#include <gtest/gtest.h>

#include "backends/list.h"
#include "backends/onednn/cpu_features.h"
#include "ir/parser.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "ops/op.h"
#include "support/conformance.h"
#include "support/random.h"

namespace tfengine::detail {
namespace {

#define CONV "{strides=[1,1,1,1], padding=\"SAME\"}"

ir::Graph graph_of(const std::string& body) {
  ir::Graph graph = ir::parse(R"(graph @g(%x: f32[2,5,5,16]) {
    %w = const f32[3,3,16,16] uniform(1, -0.5, 0.5)
    %b = const f32[16] uniform(2, -0.5, 0.5)
    %fc = const f32[16,10] uniform(3, -0.5, 0.5)
    %hw = const s32[2] [1, 2]
  )" + body + "\n}");
  ops::infer_graph(graph);
  return graph;
}

const std::string kBlock = R"(
    %c1 = Conv2D(%x, %w, %b) )" CONV R"( epilogue(bias=2, after=Relu)
    %c2 = Conv2D(%c1, %w, %b, %c1) )" CONV R"( epilogue(bias=2, residual=3, after=Relu)
    %c3 = Conv2D(%c2, %w) )" CONV R"(
    %m = Mean(%c3, %hw)
    %y = MatMul(%m, %fc)
    return %y)";

std::string type_of(const ir::Graph& graph, const std::string& name) {
  const ir::ValueId id = graph.find_value(name);
  return id == ir::kNone ? "absent" : std::string(dtype_name(graph.value(id).dtype));
}

std::vector<std::string> inputs_of(const ir::Graph& graph, const std::string& name) {
  std::vector<std::string> names;
  for (const ir::ValueId id : graph.node(graph.value(graph.find_value(name)).producer).inputs) {
    names.push_back(graph.value(id).name);
  }
  return names;
}

int casts(const ir::Graph& graph) {
  int count = 0;
  for (const ir::NodeId id : graph.order()) count += graph.node(id).op == "Cast" ? 1 : 0;
  return count;
}

class ToBf16 : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!onednn::has_bf16()) GTEST_SKIP() << "this CPU has no bfloat16 arithmetic";
  }
  static ir::Graph rewritten(const ir::Graph& graph, const std::set<std::string>& keep = {}) {
    ir::Graph result = to_bf16(graph, keep);
    ir::verify(result);
    const std::string before = ir::print(result);
    ops::infer_graph(result);
    EXPECT_EQ(ir::print(result), before) << "inference gives other types";
    return result;
  }
};

TEST_F(ToBf16, LayersPassBfloat16OnAndGiveFloatToOthers) {
  const ir::Graph graph = rewritten(graph_of(kBlock));
  EXPECT_EQ(type_of(graph, "c1"), "bfloat16");
  EXPECT_EQ(type_of(graph, "c2"), "bfloat16");
  EXPECT_EQ(type_of(graph, "c3"), "float32");  // the mean is taken of unrounded sums
  EXPECT_EQ(type_of(graph, "y"), "float32");   // as are the results
  EXPECT_EQ(inputs_of(graph, "c1"), (std::vector<std::string>{"x/bf16", "w", "b"}));
  EXPECT_EQ(inputs_of(graph, "c2"), (std::vector<std::string>{"c1", "w", "b", "c1"}));
  EXPECT_EQ(inputs_of(graph, "y"), (std::vector<std::string>{"m/bf16", "fc"}));
  EXPECT_EQ(casts(graph), 2);
}

TEST_F(ToBf16, NodesThatAreKeptReadFloat) {
  const ir::Graph graph = rewritten(graph_of(kBlock), {"c2"});
  EXPECT_EQ(type_of(graph, "c1"), "float32");
  EXPECT_EQ(inputs_of(graph, "c2"), (std::vector<std::string>{"c1", "w", "b", "c1"}));
  EXPECT_EQ(inputs_of(graph, "c3")[0], "c2/bf16");
  EXPECT_EQ(casts(graph), 3);
  EXPECT_EQ(ir::print(rewritten(graph_of(kBlock), bf16_nodes(graph_of(kBlock)))), ir::print(graph_of(kBlock)));
}

TEST_F(ToBf16, AResidualIsNarrowWhereTheSumIs) {
  // c2 is a result, so that its sum is float32, and so is what it adds.
  const ir::Graph graph = rewritten(graph_of(R"(
    %c1 = Conv2D(%x, %w) )" CONV R"(
    %c2 = Conv2D(%x, %w, %c1) )" CONV R"( epilogue(residual=2)
    return %c2)"));
  EXPECT_EQ(type_of(graph, "c1"), "float32");
  EXPECT_EQ(inputs_of(graph, "c2"), (std::vector<std::string>{"x/bf16", "w", "c1"}));
  EXPECT_EQ(casts(graph), 1);
}

TEST_F(ToBf16, DenylistedNodesAndRunTimeWeightsStay) {
  const ir::Graph graph = graph_of(R"(
    %c1 = Conv2D(%x, %w) )" CONV R"( denylisted
    %m = Mean(%c1, %hw)
    %y = MatMul(%m, %m) {transpose_b=true}
    return %y)");
  EXPECT_TRUE(bf16_nodes(graph).empty());
  EXPECT_EQ(ir::print(rewritten(graph)), ir::print(graph));
}

TEST_F(ToBf16, EveryTacticComputesWhatTheReferenceDoes) {
  testing::Random random(3);
  const std::vector<Tensor> inputs = {testing::random_tensor(random, DType::F32, Shape{2, 5, 5, 16}, -1.0f, 1.0f)};
  const plan::Backend& backend = *backends_by_name("onednn")[0];
  for (const std::set<std::string>& keep : {std::set<std::string>{}, {"c2"}, {"c1", "c3"}}) {
    const testing::Conformance result = testing::run_conformance(backend, rewritten(graph_of(kBlock), keep), inputs, 2);
    EXPECT_TRUE(result.failures.empty()) << result.failures[0];
    EXPECT_TRUE(result.refusals.empty()) << result.refusals[0];
    EXPECT_GE(result.tactics, 5);
  }
}

TEST_F(ToBf16, CanBeUndone) {
  for (const std::set<std::string>& keep : {std::set<std::string>{}, {"c2"}, {"c1", "c3"}}) {
    ir::Graph graph = rewritten(graph_of(kBlock), keep);
    EXPECT_TRUE(undo_bf16(graph));
    EXPECT_EQ(ir::print(graph), ir::print(graph_of(kBlock)));
    EXPECT_FALSE(undo_bf16(graph));
  }
}

TEST(UndoBf16, LeavesAModelsOwnBfloat16Alone) {
  ir::Graph graph = ir::parse(R"(graph @g(%x: f32[2,16]) {
    %w = const bf16[16,10] splat(0.5)
    %n = Cast(%x) {DstT=bf16}
    %y = MatMul(%n, %w)
    return %y
  })");
  ops::infer_graph(graph);
  const std::string before = ir::print(graph);
  EXPECT_FALSE(undo_bf16(graph));
  EXPECT_EQ(ir::print(graph), before);
}

}  // namespace
}  // namespace tfengine::detail
