// SPDX-License-Identifier: Apache-2.0
// Which nodes convert_graph_def leaves to TensorFlow, and what it says of them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/compare.h"
#include "support/graph_def_builder.h"
#include "support/random.h"
#include "tfengine/graph_def.h"

namespace tfengine {
namespace {

using namespace testing;
using tfgraph::string_attr;
using tfgraph::type_attr;

GraphDefParams params(int minimum_segment_size = 3) {
  GraphDefParams params;
  params.graph_number = 0;
  params.minimum_segment_size = minimum_segment_size;
  return params;
}

// "node: reason; remedy" for each refused node.
std::string refusals(const GraphDefConversion& result) {
  std::string text;
  const auto report = nlohmann::json::parse(result.report_json);
  for (const auto& row : report["refusals"]) {
    text += fmt::format("{}: {}; {}\n", row["node"].get<std::string>(), row["reason"].get<std::string>(),
                        row["remedy"].get<std::string>());
  }
  return text;
}

GraphDefBuilder chain() {
  GraphDefBuilder graph;
  graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4);
  return graph;
}

TEST(Refusals, ByTheUsersLists) {
  GraphDefBuilder graph = chain();
  graph.node("Tanh", "t", {"a"});
  GraphDefParams p = params(1);
  p.nodes_denylist = {"a:0"};
  p.op_denylist = {"BiasAdd"};
  const auto result = convert_graph_def(graph.bytes(), {"t"}, p);
  EXPECT_EQ(
      refusals(result),
      "a/bias: BiasAdd is on the list of ops to leave to TensorFlow; take the op off the list (TF_TRT_OP_DENYLIST) "
      "to have it converted\n"
      "a: it is in nodes_denylist; take it off the list to have it converted\n");
  EXPECT_EQ(result.engines.size(), 2u);
}

TEST(Refusals, UnknownOpsVariablesAndChecks) {
  GraphDefBuilder graph = chain();
  graph.node("Mystery", "m", {"a"});
  graph.node("VarHandleOp", "handle", {}, {});
  graph.node("ReadVariableOp", "read", {"handle"}, {{"dtype", type_attr(1)}});
  graph.node("CheckNumerics", "check", {"a"});
  EXPECT_EQ(
      refusals(convert_graph_def(graph.bytes(), {"m", "read", "check"}, params())),
      "m: tfengine does not know the op Mystery; nothing has to be done: TensorFlow runs it; docs/adding_an_op.md "
      "tells how to add an op\n"
      "read: it reads a variable, and an engine holds constants only; freeze the graph first "
      "(convert_variables_to_constants)\n"
      "check: it does more than compute: it checks, or stands in for a tensor that is fed; nothing has to be done: "
      "TensorFlow runs it\n");
}

TEST(Refusals, QuantizationNodesOutsideOfInt8) {
  GraphDefBuilder graph = chain();
  graph.node("FakeQuantWithMinMaxArgs", "q", {"a"}, {});
  graph.conv("b", "q", 4, 4);
  GraphDefParams p = params();
  const auto float_result = convert_graph_def(graph.bytes(), {"b"}, p);
  EXPECT_EQ(float_result.engines.size(), 2u);
  EXPECT_EQ(
      refusals(float_result),
      "q: quantization nodes are converted with precision_mode INT8 only; convert with precision_mode INT8, or take "
      "the node out of the graph\n");
  p.precision_mode = "INT8";
  EXPECT_EQ(convert_graph_def(graph.bytes(), {"b"}, p).engines.size(), 1u);
}

TEST(Refusals, SegmentsBelowTheMinimumIdentitiesNotCounted) {
  GraphDefBuilder graph = chain();
  graph.node("Identity", "i", {"a"});
  graph.node("Relu6", "r", {"i"});
  graph.node("Tanh", "t", {"r"});
  GraphDefParams p = params(5);
  p.op_denylist = {"Tanh"};
  const auto result = convert_graph_def(graph.bytes(), {"t"}, p);
  EXPECT_EQ(result.engines.size(), 0u);
  const std::string small =
      ": its segment has 4 nodes, fewer than minimum_segment_size (5); nothing has to be done, or lower "
      "minimum_segment_size\n";
  EXPECT_EQ(refusals(result), "a/conv" + small + "a/bias" + small + "a" + small + "r" + small +
                                  "t: Tanh is on the list of ops to leave to TensorFlow; take the op off the list "
                                  "(TF_TRT_OP_DENYLIST) to have it converted\n");
  p.minimum_segment_size = 4;
  EXPECT_EQ(convert_graph_def(graph.bytes(), {"t"}, p).engines.size(), 1u);
}

TEST(Refusals, TheCapKeepsTheLargest) {
  GraphDefBuilder graph;
  std::string last = graph.placeholder("x", {-1, 6, 6, 3});
  int64_t channels = 3;
  for (const int convs : {1, 3, 2}) {
    for (int i = 0; i < convs; ++i) {
      last = graph.conv(fmt::format("c{}_{}", convs, i), last, channels, 3);
    }
    last = graph.node("Tanh", fmt::format("t{}", convs), {last});
  }
  GraphDefParams p = params();
  p.op_denylist = {"Tanh"};
  p.max_engines = 2;
  const auto result = convert_graph_def(graph.bytes(), {last}, p);
  ASSERT_EQ(result.engines.size(), 2u);
  EXPECT_EQ(result.engines[0].nodes, 9);
  EXPECT_EQ(result.engines[1].nodes, 6);
  EXPECT_NE(refusals(result).find("c1_0: 2 segments are larger, and no more than 2 engines are made; raise "
                                  "TF_TRT_MAX_ALLOWED_ENGINES, or leave it: many small engines are rarely faster\n"),
            std::string::npos);
  p.max_engines = 0;
  EXPECT_EQ(convert_graph_def(graph.bytes(), {last}, p).engines.size(), 3u);
}

TEST(Refusals, SegmentsThatDoNotPay) {
  GraphDefBuilder graph;
  graph.placeholder("x", {-1, 4, 4, 3});
  graph.ints("shape", {-1, 48});
  graph.node("Reshape", "r", {"x", "shape"}, {{"T", type_attr(1)}, {"Tshape", type_attr(3)}});
  graph.node("ExpandDims", "e", {"r", graph.scalar("axis", 1)}, {{"T", type_attr(1)}});
  graph.node("Squeeze", "s", {"e"}, {{"T", type_attr(1)}, {"squeeze_dims", tfgraph::ints_attr({1})}});
  graph.placeholder("y", {2});
  graph.node("Relu", "u", {"y"});
  graph.node("Sigmoid", "v", {"u"});
  graph.node("Exp", "w", {"v"});
  const auto result = convert_graph_def(graph.bytes(), {"s", "w"}, params());
  EXPECT_EQ(result.engines.size(), 0u);
  const std::string remedy = "nothing has to be done, or set minimum_segment_size to 1 to have such engines anyway\n";
  const std::string moves =
      "its segment of 3 nodes only moves elements and computes shapes, where an engine gains nothing; " + remedy;
  const std::string few = "its segment computes 6 numbers, and calling an engine costs more than that; " + remedy;
  EXPECT_EQ(refusals(result), "r: " + moves + "e: " + moves + "s: " + moves + "u: " + few + "v: " + few + "w: " + few);
  EXPECT_EQ(convert_graph_def(graph.bytes(), {"s", "w"}, params(1)).engines.size(), 2u);
}

TEST(Refusals, SegmentsOfConstants) {
  GraphDefBuilder graph;
  graph.constant("c", {8, 8});
  graph.node("Relu", "r", {"c"});
  graph.node("MatMul", "m", {"r", "c"});
  graph.node("Exp", "e", {"m"});
  const auto result = convert_graph_def(graph.bytes(), {"e"}, params());
  EXPECT_EQ(result.engines.size(), 0u);
  const std::string reason =
      ": its segment has constants alone as inputs: it computes the same at each run; fold the graph's constants first "
      "(Grappler's constfold)\n";
  EXPECT_EQ(refusals(result), "r" + reason + "m" + reason + "e" + reason);
}

// An op that the reference backend alone runs.
void add_sums(GraphDefBuilder& graph) {
  graph.ints("axis", {1});
  graph.node("CumulativeLogsumexp", "sums", {"a", "axis"}, {{"T", type_attr(1)}, {"Tidx", type_attr(3)}});
}

TEST(Refusals, WhatOnlyTheReferenceBackendRuns) {
  GraphDefBuilder graph = chain();
  add_sums(graph);
  graph.conv("b", "sums", 4, 4);
  const auto result = convert_graph_def(graph.bytes(), {"b"}, params());
  EXPECT_EQ(result.engines.size(), 2u);
  EXPECT_EQ(refusals(result),
            "sums: CumulativeLogsumexp has no fast form here; nothing has to be done: TensorFlow runs it\n");
}

TEST(Refusals, WeightsFromOutside) {
  GraphDefBuilder graph = chain();
  graph.placeholder("w", {3, 3, 4, 4});
  graph.node("Conv2D", "late", {"a", "w"},
             {{"T", type_attr(1)}, {"padding", string_attr("SAME")}, {"strides", tfgraph::ints_attr({1, 1, 1, 1})}});
  const auto result = convert_graph_def(graph.bytes(), {"late"}, params());
  EXPECT_EQ(result.engines.size(), 1u);
  EXPECT_EQ(
      refusals(result),
      "late: its weights are computed at run time; they must be constant; nothing has to be done: TensorFlow runs "
      "it\n");
}

TEST(Refusals, InputsOfUnknownRank) {
  GraphDefBuilder graph = chain();
  graph.node("Mystery", "m", {"a"});
  graph.node("AddV2", "sum", {"a", "m"});
  graph.conv("b", "sum", 4, 4);
  const auto result = convert_graph_def(graph.bytes(), {"b"}, params());
  EXPECT_EQ(result.engines.size(), 2u) << "a convolution tells the rank of its input";
  EXPECT_NE(refusals(result).find("sum: not even the rank of its input 'm' is known; write the graph with "
                                  "graph.as_graph_def(add_shapes=True)\n"),
            std::string::npos)
      << refusals(result);
}

TEST(Refusals, ShapesThatDependOnData) {
  GraphDefBuilder graph = chain();
  graph.placeholder("sizes", {2}, 3);
  graph.node("Reshape", "r", {"a", "sizes"}, {{"T", type_attr(1)}, {"Tshape", type_attr(3)}});
  graph.node("Relu", "u", {"r"});
  const auto result = convert_graph_def(graph.bytes(), {"u"}, params());
  EXPECT_EQ(result.engines.size(), 1u);
  EXPECT_EQ(
      refusals(result),
      "r: the shape of its output depends on the values of its inputs, and engines are planned for shapes; nothing "
      "has to be done: TensorFlow runs it\n"
      "u: its segment has 1 node, fewer than minimum_segment_size (3); nothing has to be done, or lower "
      "minimum_segment_size\n");
}

TEST(Refusals, GraphsThatFailOneNodeAtATimeAreGivenUp) {
  GraphDefBuilder graph = chain();
  std::string last = "a";
  for (int i = 0; i < 30; ++i) {
    graph.placeholder(fmt::format("sizes{}", i), {2}, 3);
    last = graph.node("Reshape", fmt::format("r{}", i), {last, fmt::format("sizes{}", i)},
                      {{"T", type_attr(1)}, {"Tshape", type_attr(3)}});
    last = graph.node("Relu", fmt::format("u{}", i), {last});
  }
  const auto result = convert_graph_def(graph.bytes(), {last}, params());
  EXPECT_EQ(result.engines.size(), 1u);
  EXPECT_NE(refusals(result).find("u29: other nodes of its segment keep failing: the shape of its output depends"),
            std::string::npos)
      << refusals(result);
}

TEST(Refusals, ShapeArithmeticThatPlanningFoldsIsTaken) {
  GraphDefBuilder graph = chain();
  graph.node("Shape", "shape", {"a"});
  graph.ints("zero", {0});
  graph.ints("one", {1});
  graph.node("StridedSlice", "batch", {"shape", "zero", "one", "one"},
             {{"T", type_attr(3)}, {"Index", type_attr(3)}, {"shrink_axis_mask", tfgraph::int_attr(1)}});
  graph.node("Pack", "sizes", {"batch", graph.scalar("rest", 144)}, {{"T", type_attr(3)}, {"N", tfgraph::int_attr(2)}});
  graph.node("Reshape", "flat", {"a", "sizes"}, {{"T", type_attr(1)}, {"Tshape", type_attr(3)}});
  graph.dense("d", "flat", 144, 5);
  const auto result = convert_graph_def(graph.bytes(), {"d"}, params());
  EXPECT_EQ(refusals(result), "");
  EXPECT_EQ(result.engines.size(), 1u);
}

TEST(Refusals, BranchesOfTensorFlow1) {
  GraphDefBuilder graph = chain();
  graph.placeholder("p", Shape{}, 10);
  graph.node("Switch", "switch", {"a", "p"});
  graph.conv("yes", "switch:1", 4, 4);
  graph.node("AddV2", "mixed", {"yes", "a"});  // runs with the branch, though "a" always does
  graph.conv("no", "switch", 4, 4);
  graph.node("Merge", "merge", {"no", "mixed"}, {{"T", type_attr(1)}, {"N", tfgraph::int_attr(2)}});
  graph.conv("b", "merge", 4, 4);
  graph.node("AddV2", "late", {"b", "a"});
  const auto result = convert_graph_def(graph.bytes(), {"late"}, params());
  std::string engines;
  for (const GraphDefEngine& engine : result.engines)
    engines += engine.outputs[0].name + fmt::format("({}) ", engine.nodes);
  EXPECT_EQ(engines, "a(3) mixed(4) no(3) late(4) ");
  EXPECT_EQ(
      refusals(result),
      "switch: it is control flow of TensorFlow 1, which engines do not have; nothing has to be done: TensorFlow runs "
      "it; engines stand inside of, before and behind it\n"
      "merge: it is control flow of TensorFlow 1, which engines do not have; nothing has to be done: TensorFlow runs "
      "it; engines stand inside of, before and behind it\n");
}

TEST(Refusals, LoopsOfTensorFlow1) {
  const std::vector<tfgraph::AttrMessage> in_loop = {{"T", type_attr(1)}, {"frame_name", string_attr("loop")}};
  const std::vector<tfgraph::AttrMessage> merge = {{"T", type_attr(1)}, {"N", tfgraph::int_attr(2)}};
  GraphDefBuilder graph = chain();
  graph.node("Enter", "enter", {"a"}, in_loop);
  graph.node("Merge", "head", {"enter", "next"}, merge);
  graph.node("Mystery", "again", {"head"});
  graph.node("LoopCond", "cond", {"again"}, {});
  graph.node("Switch", "switch", {"head", "cond"});
  graph.conv("body", "switch:1", 4, 4);
  graph.node("NextIteration", "next", {"body"});
  graph.node("Exit", "exit", {"switch"});
  graph.conv("b", "exit", 4, 4);
  graph.node("AddV2", "out", {"b", "a"});
  const auto result = convert_graph_def(graph.bytes(), {"out"}, params());
  std::string engines;
  for (const GraphDefEngine& engine : result.engines)
    engines += engine.outputs[0].name + fmt::format("({}) ", engine.nodes);
  EXPECT_EQ(engines, "a(3) body(3) out(4) ");
}

TEST(Refusals, TypesAtTheBorder) {
  GraphDefBuilder graph;
  graph.placeholder("text", {-1}, 7);
  graph.node("Fill", "f", {"text", "text"}, {{"T", type_attr(7)}});
  EXPECT_EQ(refusals(convert_graph_def(graph.bytes(), {"f"}, params(1))),
            "f: tfengine has no arithmetic for DT_STRING; nothing has to be done: TensorFlow runs it\n");
}

TEST(Refusals, FetchedNodesWithSeveralTensors) {
  GraphDefBuilder graph = chain();
  graph.node("Split", "s", {graph.scalar("axis", 3), "a"}, {{"T", type_attr(1)}, {"num_split", tfgraph::int_attr(2)}});
  const auto result = convert_graph_def(graph.bytes(), {"s", "s:1"}, params());
  EXPECT_EQ(refusals(result),
            "s: it is an output of the graph with several tensors, which can only be fetched by its own name; put an "
            "Identity behind each tensor and fetch those\n");
}

TEST(Refusals, NodesThatTensorFlowWouldRefuseToo) {
  GraphDefBuilder graph = chain();
  graph.node("AddV2", "one_input", {"a"});
  graph.node("Relu", "second", {"a/bias:1"});
  graph.node("AddV2", "untyped", {"a", "a"}, {});
  const std::string report = refusals(convert_graph_def(graph.bytes(), {"one_input", "second", "untyped"}, params()));
  const std::string too = "; check how the graph was made: TensorFlow refuses such a node, too\n";
  EXPECT_NE(report.find("a/bias: its output 1 is used, and it has 1" + too), std::string::npos) << report;
  EXPECT_NE(report.find("one_input: it has 1 inputs, expected 2" + too), std::string::npos) << report;
  EXPECT_NE(report.find("untyped: it does not say of what type its tensors are; write the graph with its attributes\n"),
            std::string::npos)
      << report;
}

TEST(Report, AsText) {
  GraphDefBuilder graph = chain();
  add_sums(graph);
  EXPECT_EQ(convert_graph_def(graph.bytes(), {"sums"}, params()).report_text(),
            "3 of 5 nodes are in 1 engine\n"
            "  TRTEngineOp_000_000: 3 nodes, 1 inputs, 1 outputs: 1 BiasAdd, 1 Conv2D, 1 Relu\n"
            "1 nodes stay in TensorFlow:\n"
            "  CumulativeLogsumexp 'sums': CumulativeLogsumexp has no fast form here; nothing has to be done: "
            "TensorFlow runs it\n");
}

}  // namespace
}  // namespace tfengine
