// SPDX-License-Identifier: Apache-2.0
// The INT8 rewrite on small graphs in text form: which values become INT8, on which grid, and with which borders.
#include "quantize/rewrite_testing.h"

namespace tfengine::quantize {
namespace {

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

TEST(Rewrite, NarrowMemberThatOnlyConcatsReadSharesTheirGrid) {
  // As in DenseNet, where every concat takes all results so far: a grid for each would be a conversion for each.
  const RewriteResult result = rewritten(graph_of("%a = Conv2D(%x, %w) " CONV " %b1 = Conv2D(%x, %w) " CONV R"(
    %c = ConcatV2(%a, %b1, %axis)
    %d = Conv2D(%c, %w2) )" CONV R"(
    %e = ConcatV2(%a, %d, %axis)
    %f = Conv2D(%e, %w2) )" CONV " return %f"),
                                         {{"x", 2.0f}, {"a", 1.0f}, {"b1", 50.0f}, {"d", 8.0f}});
  for (const char* name : {"a", "b1", "c", "d", "e"}) EXPECT_EQ(form(result.graph, name), "s8 r=50.0") << name;
  EXPECT_EQ(borders(result), (std::vector<int>{1, 0, 0}));
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
  RewriteOptions options;
  options.float_gates = false;
  const RewriteResult result =
      rewritten(graph_of(kSqueezeExcite), {{"x", 2.0f}, {"d", 3.0f}, {"m", 1.0f}, {"s", 2.0f}, {"y", 3.0f}}, options);
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

}  // namespace
}  // namespace tfengine::quantize
