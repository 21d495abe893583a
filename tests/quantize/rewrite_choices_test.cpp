// SPDX-License-Identifier: Apache-2.0
// The INT8 rewrite where something is missing, refused or odd: what stays float, and what is said about it.
#include <algorithm>
#include <cmath>
#include <set>

#include "quantize/rewrite_testing.h"
#include "tfengine/error.h"

namespace tfengine::quantize {
namespace {

TEST(Rewrite, MissingRangesAreAnErrorOrStayFloat) {
  const ir::Graph graph = graph_of("%c = Conv2D(%x, %w) " CONV " %d = Conv2D(%c, %w) " CONV " return %d");
  try {
    rewrite_to_int8(graph, table_of({{"c", 1.0f}}), {});
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(
        error.what(),
        "[quantize] 1 tensor has no INT8 range: 'x'; calibrate with data, give their ranges by quantization nodes or "
        "a table, or keep what reads them in float");
  }
  RewriteOptions options;
  options.missing = MissingRange::KeepFloat;
  const RewriteResult result = rewritten(graph, {{"c", 1.0f}}, options);
  EXPECT_EQ(node_report(result, "c").text, "its input 'x' has no INT8 range");
  EXPECT_EQ(form(result.graph, "c/int8"), "s8 r=1.00");
  EXPECT_EQ(result.report.missing, Strings{"x"});
}

TEST(Rewrite, RefusalsAndCostsKeepNodesFloat) {
  const ir::Graph graph = graph_of("%c = Conv2D(%x, %w) " CONV " %d = Conv2D(%c, %w) " CONV " %e = Conv2D(%d, %w) " CONV
                                   " %m = MatMul(%y, %y) return %e, %m",
                                   "%x: f32[1,4,4,4], %y: f32[4,4]");
  RewriteOptions options;
  options.int8_ok = [](const ir::Graph&, const ir::Node& node) {
    return node.name == "c" ? std::optional(Refusal{"no INT8 kernel for this shape"}) : std::nullopt;
  };
  options.prefer_float = [](const ir::Node& node) { return node.name == "d"; };
  const RewriteResult result = rewritten(graph, {{"d", 1.0f}}, options);
  EXPECT_EQ(node_report(result, "c").reason, NodeReason::BackendRefusal);
  EXPECT_EQ(node_report(result, "c").text, "no INT8 kernel for this shape");
  EXPECT_EQ(node_report(result, "d").reason, NodeReason::SlowerInInt8);
  EXPECT_TRUE(node_report(result, "e").int8);
  EXPECT_EQ(node_report(result, "m").reason, NodeReason::WeightsNotConstant);
  EXPECT_EQ(reason_name(NodeReason::NoInt8Neighbour), "no_int8_neighbour");
}

TEST(Rewrite, CustomRangesOfFusedTensorsAreListedAsIgnored) {
  RangeTable table = table_of({{"x", 1.0f}});
  table.set("conv/before_relu", {1.0f, ir::RangeSource::Custom, false, "fq"});
  const RewriteResult result = rewrite_to_int8(graph_of("%c = Conv2D(%x, %w) " CONV " return %c"), table, {});
  EXPECT_EQ(result.report.ignored, Strings{"conv/before_relu"});
}

RangeTable with_custom(RangeTable table, Ranges ranges) {
  for (const auto& [name, max_abs] : ranges) table.set(name, {max_abs, ir::RangeSource::Custom, false, "fq"});
  return table;
}

TEST(Rewrite, AGivenRangeOfAConcatIsItsGrid) {
  const ir::Graph graph = graph_of(R"(
    %a = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %k = const f32[1,4,4,4] uniform(9, -5.0, 5.0)
    %joined = ConcatV2(%a, %c, %k, %axis) {N=3}
    %w12 = const f32[1,1,12,4] uniform(8, -1.0, 1.0)
    %y = Conv2D(%joined, %w12) {strides=[1,1,1,1], padding="SAME"}
    %z = Conv2D(%a, %w) {strides=[1,1,1,1], padding="SAME"}
    return %y, %z)");
  const RangeTable table = table_of({{"x", 1.0f}, {"a", 6.0f}, {"c", 4.0f}});
  // Members with ranges of their own, or those that others read, are brought to it.
  for (const Ranges given : {Ranges{{"joined", 1.0f}}, Ranges{{"joined", 1.0f}, {"a", 3.0f}, {"c", 3.0f}}}) {
    const RewriteResult result = rewrite_to_int8(graph, with_custom(table, given), {});
    EXPECT_EQ(form(result.graph, "joined"), "s8 r=1.00");
    EXPECT_NE(form(result.graph, "a"), "s8 r=1.00");
    EXPECT_EQ(result.report.unused, Strings{});
  }
}

TEST(Rewrite, GivenRangesOfFloatTensorsAreListedAsUnused) {
  RewriteOptions options;
  options.keep_float = {"c"};
  const RangeTable table = with_custom(table_of({{"x", 1.0f}}), {{"c", 1.0f}, {"d", 2.0f}, {"e", 2.0f}});
  const RewriteResult result = rewrite_to_int8(
      graph_of("%d = Conv2D(%x, %w) " CONV " %c = Conv2D(%d, %w) " CONV " %e = Neg(%c) return %c, %e"), table, options);
  EXPECT_EQ(result.report.unused, (Strings{"d", "c", "e"}));
}

// The largest difference of results, where speed keeps these nodes in float and where it decides nothing.
struct Faster {
  RewriteResult result;
  float difference = 0.0f;
};
Faster faster_in_float(const ir::Graph& graph, const RangeTable& table, std::set<std::string> slow) {
  RewriteOptions options;
  const RewriteResult whole = rewrite_to_int8(graph, table, options);
  options.prefer_float = [&](const ir::Node& node) { return slow.count(node.name) > 0; };
  Faster faster{rewrite_to_int8(graph, table, options)};
  ir::verify(faster.result.graph);
  Tensor x(DType::F32, graph.value(graph.inputs[0]).shape);
  for (int64_t i = 0; i < x.elements(); ++i) x.mutable_as<float>()[i] = 0.1f * static_cast<float>(i % 41 - 20);
  const auto exact = ops::evaluate_graph(whole.graph, std::vector<Tensor>{x});
  const auto got = ops::evaluate_graph(faster.result.graph, std::vector<Tensor>{x});
  for (size_t k = 0; k < exact.size(); ++k) {
    for (int64_t i = 0; i < exact[k].elements(); ++i)
      faster.difference = std::max(faster.difference, std::abs(exact[k].as<float>()[i] - got[k].as<float>()[i]));
  }
  return faster;
}

// Rounding moves a tensor of range 0.5 by 0.002, and four products with weights of up to 1 add that up; values beyond the range
// are ten times its size.
constexpr float kRounding = 0.05f;

TEST(Rewrite, GivenRangesLimitTensorsThatAreFasterInFloat) {
  const ir::Graph graph =
      graph_of("%c = Conv2D(%x, %w) " CONV " %d = Conv2D(%c, %w) " CONV " %e = Conv2D(%d, %w) " CONV " return %e");
  const RangeTable table = with_custom(table_of({{"x", 2.0f}}), {{"c", 0.5f}, {"d", 0.5f}});
  struct Case {
    std::set<std::string> slow;
    Strings bounded;
  };
  // What an INT8 node reads has a grid, and nothing has to limit it.
  for (const Case& c : {Case{{"c", "d", "e"}, {"c", "d"}}, Case{{"d"}, {"c"}}, Case{{"d", "e"}, {"c", "d"}},
                        Case{{"e"}, {"d"}}, Case{{"c"}, {}}}) {
    const Faster faster = faster_in_float(graph, table, c.slow);
    EXPECT_EQ(faster.result.report.bounded, c.bounded);
    EXPECT_LT(faster.difference, kRounding);
  }
  // The ranges matter: without them the float graph is somewhere else.
  EXPECT_GT(faster_in_float(graph, table_of({{"x", 2.0f}, {"c", 0.5f}, {"d", 0.5f}}), {"c", "d", "e"}).difference,
            0.5f);
}

TEST(Rewrite, ALimitIsPartOfTheActivationInFront) {
  const ir::Graph graph = [] {
    ir::Graph made = graph_of("%c = Conv2D(%x, %w) " CONV " %d = Conv2D(%c, %w) " CONV " return %d");
    made.node(made.value(made.find_value("c")).producer).epilogue.before_add = {ActKind::Relu, 0.0f, 0.0f};
    return made;
  }();
  const Faster faster = faster_in_float(graph, with_custom(table_of({{"x", 2.0f}}), {{"c", 0.5f}}), {"c", "d"});
  EXPECT_LT(faster.difference, kRounding);
  const ir::Graph& made = faster.result.graph;
  EXPECT_EQ(made.node(made.value(made.find_value("c")).producer).epilogue.before_add, (Act{ActKind::Clip, 0.0f, 0.5f}));
  EXPECT_EQ(made.order().size(), graph.order().size());
}

TEST(Rewrite, OnlyWhatWouldBeRoundedIsLimited) {
  // %e reads the tensor in float at any speed, from its grid; the graph returns it so, too.
  const ir::Graph graph = graph_of("%c = Conv2D(%x, %w) " CONV " %d = Conv2D(%c, %w) " CONV
                                   " %e = Softmax(%c) %f = Softmax(%d) return %c, %d, %e, %f");
  const RangeTable table = with_custom(table_of({{"x", 2.0f}}), {{"c", 0.5f}, {"d", 0.5f}});
  const Faster faster = faster_in_float(graph, table, {"c", "d"});
  EXPECT_EQ(faster.result.report.bounded, Strings{"c"});
  EXPECT_EQ(faster.result.report.unused, (Strings{"c", "d"}));
  EXPECT_LT(faster.difference, kRounding);
}

TEST(Rewrite, DeadTensorsHaveAUsableScale) {
  const RewriteResult result = rewritten(
      graph_of("%c = Conv2D(%x, %w) " CONV " %d = Conv2D(%c, %w) " CONV " return %d"), {{"x", 0.0f}, {"c", 1e-38f}});
  EXPECT_EQ(form(result.graph, "x/int8"), "s8 r=1.00");
  EXPECT_GT(result.graph.value(result.graph.find_value("c")).quant.scales[0], 1e-31f);
}

TEST(Rewrite, SharedTransposedWeightsHaveAScalePerColumn) {
  const RewriteResult result =
      rewritten(graph_of("%t = const f32[6,4] uniform(1, -1.0, 1.0) %m = MatMul(%y, %t) {transpose_b=true} return %m",
                         "%y: f32[2,4]"),
                {{"y", 1.0f}});
  EXPECT_EQ(result.graph.value(result.graph.find_value("t/int8")).quant.axis, 0);
  EXPECT_EQ(result.graph.value(result.graph.find_value("t/int8")).quant.scales.size(), 6u);
}

TEST(Rewrite, InputsThatWereNeverNegativeAreUnsignedAndClipAtZero) {
  const ir::Graph graph = graph_of("%c = Conv2D(%x, %w) " CONV " return %c");
  RangeTable table;
  table.set("x", {255.0f, ir::RangeSource::Calibrated, true, "minmax"});
  RewriteResult result = rewrite_to_int8(graph, table, {});
  EXPECT_EQ(form(result.graph, "x/int8"), "u8 r=255.");
  // Every integer of an image is held exactly; what is out of range, at the nearest end.
  const ir::ValueId quantized = result.graph.find_value("x/int8");
  EXPECT_EQ(result.graph.value(quantized).quant.scales[0], 1.0f);
  result.graph.outputs = {{"x", quantized}};
  std::vector<float> values(64);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(4 * i + 3);
  values[0] = -7.0f;
  values[1] = 300.0f;
  const Tensor x = Tensor::of(DType::F32, {1, 4, 4, 4}, values);
  const Tensor got = ops::evaluate_graph(result.graph, std::vector<Tensor>{x})[0];
  EXPECT_EQ(got.as<uint8_t>()[0], 0);
  EXPECT_EQ(got.as<uint8_t>()[1], 255);
  for (int i = 2; i < 64; ++i) EXPECT_EQ(got.as<uint8_t>()[i], 4 * i + 3);
  RewriteOptions tensorrt;
  tensorrt.grid = Int8Grid::TensorRT;
  EXPECT_EQ(form(rewrite_to_int8(graph, table, tensorrt).graph, "x/int8").substr(0, 2), "s8");
}

TEST(Rewrite, GatesOfChannelsStayFloat) {
  const ir::Graph graph = graph_of(R"(
    %map = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %mean = Mean(%map, %hw) {keep_dims=true}
    %squeezed = Conv2D(%mean, %w) {strides=[1,1,1,1], padding="SAME"} epilogue(after=Swish)
    %gate = Conv2D(%squeezed, %w) {strides=[1,1,1,1], padding="SAME"} epilogue(after=Sigmoid)
    %excited = Mul(%map, %gate)
    %next = Conv2D(%excited, %w) {strides=[1,1,1,1], padding="SAME"}
    %pooled = Mean(%next, %hw) {keep_dims=false}
    %scores = MatMul(%pooled, %fc)
    return %scores)");
  const Ranges ranges = {{"x", 1.0f},    {"map", 3.0f},     {"squeezed", 2.0f},
                         {"gate", 1.0f}, {"excited", 3.0f}, {"next", 3.0f}};
  const RewriteResult result = rewritten(graph, ranges);
  for (const char* name : {"squeezed", "gate"}) EXPECT_EQ(node_report(result, name).reason, NodeReason::Gate) << name;
  // The average reads INT8 and gives float; the product reads the map in INT8 and the gate in float.
  for (const char* name : {"map", "mean", "excited", "next", "pooled", "scores"}) {
    EXPECT_TRUE(node_report(result, name).int8) << name;
  }
  EXPECT_EQ(form(result.graph, "mean"), "f32");
  EXPECT_EQ(form(result.graph, "gate"), "f32");
  EXPECT_EQ(borders(result), (std::vector<int>{1, 0, 0}));
  RewriteOptions options;
  options.float_gates = false;
  EXPECT_TRUE(node_report(rewritten(graph, ranges, options), "gate").int8);
  EXPECT_EQ(reason_name(NodeReason::Gate), "gate");
}

}  // namespace
}  // namespace tfengine::quantize
