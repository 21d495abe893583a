// SPDX-License-Identifier: Apache-2.0
// The INT8 rewrite on small graphs in text form: which values become INT8, on which grid, and with which borders.
#include "quantize/rewrite.h"

#include <gtest/gtest.h>

#include "ir/parser.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "ops/op.h"
#include "tfengine/error.h"

namespace tfengine::quantize {
namespace {

using Ranges = std::initializer_list<std::pair<const char*, float>>;

constexpr const char* kInput = "%x: f32[1,4,4,4]";
constexpr const char* kConstants = R"(
  %w = const f32[1,1,4,4] uniform(1, -1.0, 1.0)
  %w2 = const f32[1,1,8,4] uniform(2, -1.0, 1.0)
  %dw = const f32[3,3,4,1] uniform(3, -1.0, 1.0)
  %fc = const f32[4,10] uniform(4, -1.0, 1.0)
  %b = const f32[4] uniform(5, -1.0, 1.0)
  %b10 = const f32[10] uniform(6, -1.0, 1.0)
  %axis = const s32[] [3]
  %hw = const s32[2] [1, 2]
)";

// Conv2D with a 1x1 filter.
#define CONV "{strides=[1,1,1,1], padding=\"SAME\"}"

ir::Graph graph_of(const std::string& body, const std::string& inputs = kInput) {
  ir::Graph graph = ir::parse("graph @g(" + inputs + ") {\n" + kConstants + body + "\n}");
  ops::infer_graph(graph);
  return graph;
}

RangeTable table_of(Ranges ranges) {
  RangeTable table;
  for (const auto& [name, max_abs] : ranges) table.set(name, {max_abs, ir::RangeSource::Calibrated, false, "mse"});
  return table;
}

RewriteResult rewritten(const ir::Graph& graph, Ranges ranges, const RewriteOptions& options = {}) {
  RewriteResult result = rewrite_to_int8(graph, table_of(ranges), options);
  ir::verify(result.graph);
  // Inference agrees with the types that the rewrite gave.
  const std::string before = ir::print(result.graph);
  ops::infer_graph(result.graph);
  EXPECT_EQ(ir::print(result.graph), before);
  return result;
}

// "s8 0.5", "u8 0.25" or "f32".
std::string form(const ir::Graph& graph, std::string_view name) {
  const ir::ValueId id = graph.find_value(name);
  if (id == ir::kNone) return "absent";
  const ir::Value& value = graph.value(id);
  if (!value.quant.defined()) return value.dtype == DType::F32 ? "f32" : std::string(dtype_name(value.dtype));
  return (value.dtype == DType::S8 ? "s8 r=" : "u8 r=") +
         std::to_string(value.quant.scales[0] * (value.dtype == DType::S8 ? 127 : 255)).substr(0, 4);
}

std::vector<std::string> inputs_of(const ir::Graph& graph, std::string_view name) {
  std::vector<std::string> result;
  const ir::NodeId producer = graph.value(graph.find_value(name)).producer;
  for (const ir::ValueId id : graph.node(producer).inputs) result.push_back(graph.value(id).name);
  return result;
}

const NodeReport& node_report(const RewriteResult& result, std::string_view name) {
  for (const NodeReport& report : result.report.nodes) {
    if (report.name == name) return report;
  }
  ADD_FAILURE() << "no report of node " << name;
  static const NodeReport kNothing;
  return kNothing;
}

std::string tensor_text(const RewriteResult& result, std::string_view name) {
  for (const TensorReport& report : result.report.tensors) {
    if (report.name == name) return report.text;
  }
  return "absent";
}

std::vector<int> borders(const RewriteResult& result) {
  return {result.report.quantize_nodes, result.report.dequantize_nodes, result.report.requantize_nodes};
}

using Strings = std::vector<std::string>;

TEST(Rewrite, ResidualBlock) {
  const RewriteResult result = rewritten(graph_of(R"(
    %c1 = Conv2D(%x, %w, %b) )" CONV R"( epilogue(bias=2, after=Relu)
    %c2 = Conv2D(%c1, %w, %b, %c1) )" CONV R"( epilogue(bias=2, residual=3, after=Relu)
    %c3 = Conv2D(%c2, %w) )" CONV R"(
    return %c3)"),
                                         {{"x", 2.0f}, {"c1", 3.0f}, {"c2", 4.0f}});
  const ir::Graph& graph = result.graph;
  EXPECT_EQ(form(graph, "x"), "f32");
  EXPECT_EQ(form(graph, "x/int8"), "s8 r=2.00");
  EXPECT_EQ(form(graph, "c1"), "u8 r=3.00");
  EXPECT_EQ(form(graph, "c2"), "u8 r=4.00");
  EXPECT_EQ(form(graph, "c3"), "f32");  // a final result needs no Dequantize
  EXPECT_EQ(inputs_of(graph, "c1"), (Strings{"x/int8", "w/int8", "b"}));
  EXPECT_EQ(inputs_of(graph, "c2"), (Strings{"c1", "w/int8", "b", "c1"}));
  EXPECT_EQ(borders(result), (std::vector<int>{1, 0, 0}));
  const ir::Value& weights = graph.value(graph.find_value("w/int8"));
  EXPECT_EQ(weights.dtype, DType::S8);
  EXPECT_EQ(weights.quant.scales.size(), 4u);
  EXPECT_EQ(weights.quant.axis, 3);
  EXPECT_EQ(graph.find_value("w"), ir::kNone);  // the float weights are gone
  EXPECT_EQ(tensor_text(result, "c1"), "INT8: unsigned grid of scale 0.0117647, range 3 (calibrated, mse)");
  EXPECT_EQ(tensor_text(result, "c3"), "float: it has no INT8 range");
}

TEST(Rewrite, TensorRtGridIsSignedEverywhere) {
  RewriteOptions options;
  options.grid = Int8Grid::TensorRT;
  const RewriteResult result = rewritten(graph_of("%c1 = Conv2D(%x, %w) " CONV R"( epilogue(after=Relu)
    %c2 = Conv2D(%c1, %w) )" CONV " return %c2"),
                                         {{"x", 2.0f}, {"c1", 3.0f}}, options);
  EXPECT_EQ(form(result.graph, "c1"), "s8 r=3.00");
}

TEST(Rewrite, OneQuantizeServesAllUsers) {
  const RewriteResult result = rewritten(graph_of("%c1 = Conv2D(%x, %w) " CONV " %c2 = Conv2D(%x, %w) " CONV
                                                  " %d = DepthwiseConv2dNative(%x, %dw) " CONV " return %c1, %c2, %d"),
                                         {{"x", 2.0f}});
  EXPECT_EQ(borders(result), (std::vector<int>{1, 0, 0}));
  EXPECT_EQ(inputs_of(result.graph, "c1")[0], "x/int8");
  EXPECT_EQ(inputs_of(result.graph, "c2")[0], "x/int8");
  EXPECT_EQ(inputs_of(result.graph, "c2")[1], inputs_of(result.graph, "c1")[1]);  // and so are weights shared
  EXPECT_EQ(result.graph.value(result.graph.find_value("dw/int8")).quant.axis, 2);
}

TEST(Rewrite, ConcatSharesOneScale) {
  const RewriteResult result = rewritten(graph_of("%a = Conv2D(%x, %w) " CONV R"( epilogue(after=Relu)
    %b1 = Conv2D(%x, %w) )" CONV R"(
    %p = MaxPool(%a) {ksize=[1,1,1,1], strides=[1,1,1,1], padding="SAME"}
    %c = ConcatV2(%p, %b1, %axis)
    %d = Conv2D(%c, %w2) )" CONV " return %d"),
                                         {{"x", 2.0f}, {"a", 3.0f}, {"b1", 5.0f}});
  for (const char* name : {"a", "b1", "p", "c"}) EXPECT_EQ(form(result.graph, name), "s8 r=5.00") << name;
  EXPECT_EQ(borders(result), (std::vector<int>{1, 0, 0}));
}

TEST(Rewrite, ConcatOfNonNegativesIsUnsigned) {
  const RewriteResult result = rewritten(graph_of("%a = Conv2D(%x, %w) " CONV R"( epilogue(after=Relu)
    %b1 = Conv2D(%x, %w) )" CONV R"( epilogue(after=Clip(0.0, 6.0))
    %c = ConcatV2(%a, %b1, %axis)
    %d = Conv2D(%c, %w2) )" CONV " return %d"),
                                         {{"x", 2.0f}, {"a", 3.0f}});
  for (const char* name : {"a", "b1", "c"}) EXPECT_EQ(form(result.graph, name), "u8 r=6.00") << name;
}

TEST(Rewrite, MuchNarrowerMemberOfAConcatKeepsItsScaleForOthers) {
  const RewriteResult result = rewritten(graph_of("%a = Conv2D(%x, %w) " CONV " %b1 = Conv2D(%x, %w) " CONV R"(
    %c = ConcatV2(%a, %b1, %axis)
    %d = Conv2D(%c, %w2) )" CONV " %e = Conv2D(%a, %w) " CONV " return %d, %e"),
                                         {{"x", 2.0f}, {"a", 1.0f}, {"b1", 50.0f}});
  EXPECT_EQ(form(result.graph, "a"), "s8 r=1.00");
  EXPECT_EQ(form(result.graph, "c"), "s8 r=50.0");
  EXPECT_EQ(form(result.graph, "a/int8"), "s8 r=50.0");
  EXPECT_EQ(inputs_of(result.graph, "c")[0], "a/int8");
  EXPECT_EQ(inputs_of(result.graph, "e")[0], "a");
  EXPECT_EQ(borders(result), (std::vector<int>{1, 0, 1}));
}

TEST(Rewrite, ConstantMembersOfAConcatAreQuantizedInPlace) {
  const RewriteResult result = rewritten(graph_of("%k = const f32[1,4,4,4] splat(-7.0) %a = Conv2D(%x, %w) " CONV R"(
    %c = ConcatV2(%a, %k, %axis)
    %d = Conv2D(%c, %w2) )" CONV " return %d"),
                                         {{"x", 2.0f}, {"a", 1.0f}});
  EXPECT_EQ(form(result.graph, "c"), "s8 r=7.00");
  EXPECT_EQ(form(result.graph, "k/int8"), "s8 r=7.00");
  EXPECT_TRUE(result.graph.value(result.graph.find_value("k/int8")).is_constant());
  EXPECT_EQ(result.graph.value(result.graph.find_value("k/int8")).constant.as<int8_t>()[0], -127);
}

constexpr const char* kSqueezeExcite = "%d = DepthwiseConv2dNative(%x, %dw) " CONV R"( epilogue(after=Swish)
    %m = Mean(%d, %hw) {keep_dims=true}
    %s = Conv2D(%m, %w, %b) )" CONV R"( epilogue(bias=2, after=Swish)
    %g = Conv2D(%s, %w, %b) )" CONV R"( epilogue(bias=2, after=Sigmoid)
    %y = Mul(%d, %g)
    %z = Conv2D(%y, %w) )" CONV " return %z";

TEST(Rewrite, SqueezeAndExcite) {
  const RewriteResult result =
      rewritten(graph_of(kSqueezeExcite), {{"x", 2.0f}, {"d", 3.0f}, {"m", 1.0f}, {"s", 2.0f}, {"y", 3.0f}});
  EXPECT_EQ(form(result.graph, "d"), "s8 r=3.00");
  EXPECT_EQ(form(result.graph, "m"), "s8 r=1.00");
  EXPECT_EQ(form(result.graph, "s"), "s8 r=2.00");
  EXPECT_EQ(form(result.graph, "g"), "u8 r=1.00");
  EXPECT_EQ(form(result.graph, "y"), "s8 r=3.00");
  EXPECT_EQ(borders(result), (std::vector<int>{1, 0, 0}));
}

TEST(Rewrite, FloatGateIsReadAsFloat) {
  RewriteOptions options;
  options.keep_float = {"s", "g"};
  const RewriteResult result =
      rewritten(graph_of(kSqueezeExcite), {{"x", 2.0f}, {"d", 3.0f}, {"m", 1.0f}, {"y", 3.0f}}, options);
  EXPECT_EQ(form(result.graph, "d"), "s8 r=3.00");
  EXPECT_EQ(form(result.graph, "m"), "f32");  // averages of INT8 come out in float
  EXPECT_EQ(form(result.graph, "g"), "f32");
  EXPECT_EQ(form(result.graph, "y"), "s8 r=3.00");
  EXPECT_EQ(inputs_of(result.graph, "y"), (Strings{"d", "g"}));
  EXPECT_EQ(borders(result), (std::vector<int>{1, 0, 0}));
  EXPECT_EQ(node_report(result, "s").reason, NodeReason::UserChoice);
}

TEST(Rewrite, DepthwiseChainWithHead) {
  const RewriteResult result =
      rewritten(graph_of("%d = DepthwiseConv2dNative(%x, %dw, %b) " CONV
                         " epilogue(bias=2, after=Clip(0.0, 6.0)) %c = Conv2D(%d, %w) " CONV R"(
    %m = Mean(%c, %hw) {keep_dims=false}
    %logits = MatMul(%m, %fc, %b10) epilogue(bias=2)
    %p = Softmax(%logits)
    return %p, %logits)"),
                {{"x", 2.0f}, {"c", 3.0f}, {"m", 1.0f}, {"logits", 9.0f}});
  EXPECT_EQ(form(result.graph, "d"), "u8 r=6.00");
  EXPECT_EQ(form(result.graph, "c"), "s8 r=3.00");
  EXPECT_EQ(form(result.graph, "m"), "s8 r=1.00");
  EXPECT_EQ(form(result.graph, "logits"), "f32");
  EXPECT_EQ(borders(result), (std::vector<int>{1, 0, 0}));
  EXPECT_EQ(node_report(result, "p").reason, NodeReason::FloatOnlyOp);
  EXPECT_EQ(node_report(result, "p").text, "Softmax runs in float only");
  EXPECT_EQ(tensor_text(result, "logits"), "float: no INT8 node reads it");
}

TEST(Rewrite, FloatIslandsGetOneDequantize) {
  // As in ConvNeXt: a convolution, float normalisation, then matrix products, and a residual that both sides read.
  const RewriteResult result =
      rewritten(graph_of("%stem = Conv2D(%x, %w) " CONV " %d = DepthwiseConv2dNative(%stem, %dw) " CONV R"(
    %n = Softmax(%d)
    %up = Conv2D(%n, %w) )" CONV R"( epilogue(after=GeluErf)
    %down = Conv2D(%up, %w, %stem) )" CONV R"( epilogue(residual=2)
    %next = Softmax(%down)
    %again = Softmax(%stem)
    return %next, %again, %stem as "features")"),
                {{"x", 2.0f}, {"stem", 4.0f}, {"d", 1.0f}, {"n", 1.0f}, {"up", 2.0f}});
  EXPECT_EQ(form(result.graph, "stem"), "s8 r=4.00");
  EXPECT_EQ(form(result.graph, "stem/float"), "f32");
  EXPECT_EQ(form(result.graph, "d"), "f32");
  EXPECT_EQ(form(result.graph, "n/int8"), "u8 r=1.00");
  EXPECT_EQ(form(result.graph, "up"), "s8 r=2.00");
  EXPECT_EQ(form(result.graph, "down"), "f32");
  EXPECT_EQ(inputs_of(result.graph, "down")[2], "stem");
  EXPECT_EQ(inputs_of(result.graph, "again")[0], "stem/float");
  EXPECT_EQ(result.graph.outputs[2].name, "features");
  EXPECT_EQ(result.graph.value(result.graph.outputs[2].value).name, "stem/float");
  EXPECT_EQ(borders(result), (std::vector<int>{2, 1, 0}));
}

TEST(Rewrite, IsolatedElementwiseStaysFloat) {
  const RewriteResult result =
      rewritten(graph_of(R"(
    %s = Softmax(%x)
    %a = Add(%s, %x)
    %r = Relu(%a)
    %c = Conv2D(%r, %w) )" CONV R"(
    %m = Mul(%c, %b)
    %t = Softmax(%m)
    return %t)"),
                {{"x", 2.0f}, {"s", 1.0f}, {"a", 3.0f}, {"r", 3.0f}, {"c", 4.0f}, {"m", 4.0f}});
  for (const char* name : {"a", "r", "m"}) {
    EXPECT_EQ(node_report(result, name).reason, NodeReason::NoInt8Neighbour) << name;
  }
  EXPECT_TRUE(node_report(result, "c").int8);
  EXPECT_EQ(form(result.graph, "c"), "f32");
  EXPECT_EQ(form(result.graph, "r/int8"), "u8 r=3.00");
  EXPECT_EQ(borders(result), (std::vector<int>{1, 0, 0}));
}

TEST(Rewrite, ElementwiseBetweenInt8NodesIsInt8) {
  const RewriteResult result = rewritten(graph_of("%c = Conv2D(%x, %w) " CONV R"(
    %m = Mul(%c, %b)
    %a = Add(%m, %x)
    %d = Conv2D(%a, %w) )" CONV " return %d"),
                                         {{"x", 2.0f}, {"c", 3.0f}, {"m", 2.5f}, {"a", 4.0f}});
  EXPECT_EQ(form(result.graph, "m"), "s8 r=2.50");
  EXPECT_EQ(form(result.graph, "a"), "s8 r=4.00");
  EXPECT_EQ(inputs_of(result.graph, "m"), (Strings{"c", "b"}));  // constants stay float
  EXPECT_EQ(inputs_of(result.graph, "a"), (Strings{"m", "x"}));  // a float operand is read as it is
}

TEST(Rewrite, SteepFunctionsStayFloat) {
  const RewriteResult result = rewritten(graph_of("%c = Conv2D(%x, %w) " CONV R"( epilogue(after=Relu)
    %e = Exp(%c)
    %d = Conv2D(%e, %w) )" CONV " return %d"),
                                         {{"x", 2.0f}, {"c", 3.0f}, {"e", 20.0f}});
  EXPECT_EQ(node_report(result, "e").reason, NodeReason::PrecisionLoss);
  EXPECT_EQ(form(result.graph, "c"), "f32");
  EXPECT_EQ(form(result.graph, "e/int8"), "u8 r=20.0");
}

TEST(Rewrite, DataMovementBeforeTheFirstConvolutionIsInt8) {
  const RewriteResult result = rewritten(graph_of(R"(
    %pads = const s32[4,2] [0, 0, 1, 1, 1, 1, 0, 0]
    %p = Pad(%x, %pads)
    %c = Conv2D(%p, %w) )" CONV " return %c"),
                                         {{"x", 2.0f}});
  EXPECT_EQ(form(result.graph, "x/int8"), "s8 r=2.00");
  EXPECT_EQ(form(result.graph, "p"), "s8 r=2.00");
}

TEST(Rewrite, DataMovementInFloatSurroundingsStaysFloat) {
  const RewriteResult result = rewritten(graph_of("%c = Conv2D(%x, %w) " CONV R"(
    %shape = const s32[2] [1, 64]
    %r = Reshape(%c, %shape)
    return %r)"),
                                         {{"x", 2.0f}, {"c", 3.0f}});
  EXPECT_EQ(node_report(result, "r").reason, NodeReason::NoInt8Neighbour);
  EXPECT_EQ(borders(result), (std::vector<int>{1, 0, 0}));
}

TEST(Rewrite, SplitKeepsItsScaleInAllParts) {
  const RewriteResult result = rewritten(graph_of("%c = Conv2D(%x, %w) " CONV R"(
    %half = const f32[1,1,2,4] uniform(1, -1.0, 1.0)
    %l, %r = Split(%axis, %c) {num_split=2}
    %d = Conv2D(%l, %half) )" CONV R"(
    %s = Softmax(%r)
    return %d, %s)"),
                                         {{"x", 2.0f}, {"c", 3.0f}});
  EXPECT_EQ(form(result.graph, "l"), "s8 r=3.00");
  EXPECT_EQ(form(result.graph, "r"), "s8 r=3.00");
  EXPECT_EQ(inputs_of(result.graph, "s"), Strings{"r/float"});
  EXPECT_EQ(borders(result), (std::vector<int>{1, 1, 0}));
}

TEST(Rewrite, CustomRangeBehindPoolingIsKept) {
  // %c has another reader, so the range of the pooled tensor cannot move in front of the pooling.
  ir::Graph graph = graph_of("%c = Conv2D(%x, %w) " CONV R"(
    %p = MaxPool(%c) {ksize=[1,2,2,1], strides=[1,2,2,1], padding="VALID"} -> f32[1,2,2,4] range(max_abs=1.5, custom, "fq")
    %d = Conv2D(%p, %w) )" CONV " %e = Conv2D(%c, %w) " CONV " return %d, %e");
  const RewriteResult result = rewritten(graph, {{"x", 2.0f}, {"c", 3.0f}});
  EXPECT_EQ(form(result.graph, "c"), "s8 r=3.00");
  EXPECT_EQ(form(result.graph, "p"), "s8 r=1.50");
  EXPECT_EQ(inputs_of(result.graph, "p"), Strings{"c/int8"});
  EXPECT_EQ(borders(result), (std::vector<int>{1, 0, 1}));
}

TEST(Rewrite, CustomNonNegativeRangesUseTheUnsignedGrid) {
  RangeTable table;
  table.set("x", {2.0f, ir::RangeSource::Custom, true, "fq"});
  const RewriteResult result = rewrite_to_int8(graph_of("%c = Conv2D(%x, %w) " CONV " return %c"), table, {});
  EXPECT_EQ(form(result.graph, "x/int8"), "u8 r=2.00");
}

TEST(Rewrite, MissingRangesAreAnErrorOrStayFloat) {
  const ir::Graph graph = graph_of("%c = Conv2D(%x, %w) " CONV " %d = Conv2D(%c, %w) " CONV " return %d");
  try {
    rewrite_to_int8(graph, table_of({{"c", 1.0f}}), {});
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(
        error.what(),
        "[quantize] 1 tensor has no INT8 range: 'x'; calibrate with data, give their ranges, or keep what reads "
        "them in float");
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
  options.int8_ok = [](const ir::Node& node) {
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

}  // namespace
}  // namespace tfengine::quantize
