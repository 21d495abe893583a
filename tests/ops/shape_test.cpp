// SPDX-License-Identifier: Apache-2.0
// Shapes: what inference finds when only some dimensions are known, and what it refuses.
#include <gtest/gtest.h>

#include "ir/parser.h"
#include "ops/op.h"
#include "support/graph_text.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

using testing::computes_expected;
using testing::inference_error;
using testing::inferred;

// As Keras exports Reshape((1, 1, 8)): the batch size is cut out of Shape and packed again.
constexpr const char* kKerasReshape = R"(
  %s = Shape(%x)
  %zero = const s32[1] [0] %one = const s32[1] [1]
  %n = StridedSlice(%s, %zero, %one, %one) {shrink_axis_mask=1}
  %a = const s32[] [1] %c = const s32[] [8]
  %target = Pack(%n, %a, %a, %c) {axis=0}
  %y = Reshape(%x, %target))";

TEST(Inference, FollowsAnUnknownBatchThroughShapeArithmetic) {
  EXPECT_EQ(inferred("%x: f32[?,8]", kKerasReshape), "f32[?,1,1,8]");
  EXPECT_EQ(inferred("%x: f32[5,8]", kKerasReshape), "f32[5,1,1,8]");
  EXPECT_EQ(inferred("%x: f32[?,4,6,8]", R"(
    %s = Shape(%x)
    %one = const s32[1] [1] %three = const s32[1] [3] %two = const s32[] [2]
    %hw = StridedSlice(%s, %one, %three, %one)
    %double = Mul(%hw, %two)
    %y = ResizeNearestNeighbor(%x, %double))"),
            "f32[?,8,12,8]");
  EXPECT_EQ(inferred("%x: f32[?,4,6,8]", R"(
    %s = Shape(%x)
    %idx = const s32[3] [0, 1, 2] %axis = const s32[] [0] %last = const s32[1] [-1]
    %lead = GatherV2(%s, %idx, %axis)
    %target = ConcatV2(%lead, %last, %axis)
    %y = Reshape(%x, %target))"),
            "f32[?,4,6,?]");
  // Conv2DTranspose as Keras writes it.
  EXPECT_EQ(inferred("%x: f32[?,4,4,3]", R"(
    %s = Shape(%x)
    %zero = const s32[1] [0] %one = const s32[1] [1] %two = const s32[1] [2]
    %n = StridedSlice(%s, %zero, %one, %one) {shrink_axis_mask=1}
    %h = StridedSlice(%s, %one, %two, %one) {shrink_axis_mask=1}
    %stride = const s32[] [2] %c = const s32[] [5]
    %h2 = Mul(%h, %stride)
    %sizes = Pack(%n, %h2, %h2, %c)
    %w = const f32[3,3,5,3] zeros
    %y = Conv2DBackpropInput(%sizes, %w, %x) {strides=[1,2,2,1], padding="SAME"})"),
            "f32[?,8,8,5]");
}

TEST(Inference, DoesNotGuessFromComparisons) {
  // Maximum(batch, 4) is not 4, whatever a probe of it says.
  EXPECT_EQ(inferred("%x: f32[?,8]", R"(
    %s = Shape(%x)
    %floor = const s32[2] [1, 4]
    %m = Minimum(%s, %floor)
    %v = const f32[] [1.0]
    %y = Fill(%m, %v))"),
            "f32[?,?]");
}

TEST(Inference, TakesInputShapesAndReturnsKnownValues) {
  ir::Graph graph = ir::parse("graph @g(%x: f32[?,8]) { %s = Shape(%x) %y = Relu(%x) return %y, %s }");
  std::vector<Tensor> known;
  const Shape shapes[] = {{3, 8}};
  ops::infer_graph(graph, shapes, &known);
  EXPECT_EQ(graph.value(graph.find_value("y")).shape, (Shape{3, 8}));
  const Tensor& shape = known[static_cast<size_t>(graph.find_value("s"))];
  ASSERT_TRUE(shape.defined());
  EXPECT_EQ(shape.as<int32_t>()[0], 3);
  EXPECT_FALSE(known[static_cast<size_t>(graph.find_value("y"))].defined());

  const Shape wrong[] = {{3, 9}};
  try {
    ops::infer_graph(graph, wrong);
    FAIL() << "expected an error";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "input 'x': got shape [3,9], expected [3,8]");
  }
}

TEST(Inference, LeavesUnknownOpsAlone) {
  EXPECT_EQ(inferred("%x: f32[?,8]", "%m = Mystery(%x) %y = Relu(%m)"), "?[...]");
  ir::Graph graph = ir::parse("graph @g(%x: f32[2]) { %y = Mystery(%x) return %y }");
  const Tensor input(DType::F32, {2});
  EXPECT_THROW(ops::evaluate_graph(graph, std::span(&input, 1)), InvalidModel);
}

TEST(Inference, SeesRealNumbersBehindInt8) {
  ir::Graph graph = ir::parse(R"(graph @g(%x: f32[?,4]) {
    %q = Quantize(%x) -> s8[?,4] quant(scale=0.5)
    %r = Relu(%q) -> u8[?,4] quant(scale=0.25)
    %y = Dequantize(%r)
    return %y })");
  const Shape shapes[] = {{2, 4}};
  ops::infer_graph(graph, shapes);
  EXPECT_EQ(graph.value(graph.find_value("r")).dtype, DType::U8);
  EXPECT_EQ(graph.value(graph.find_value("r")).shape, (Shape{2, 4}));
  EXPECT_EQ(graph.value(graph.find_value("y")).dtype, DType::F32);
}

TEST(Reshape, ResolvesItsTarget) {
  EXPECT_EQ(inferred("%x: f32[?,7,7,4]", "%t = const s32[2] [-1, 196] %y = Reshape(%x, %t)"), "f32[?,196]");
  EXPECT_EQ(inferred("%x: f32[2,3,4]", "%t = const s32[2] [4, -1] %y = Reshape(%x, %t)"), "f32[4,6]");
  EXPECT_EQ(inferred("%x: f32[...], %t: s32[3]", "%y = Reshape(%x, %t)"), "f32[?,?,?]");
  EXPECT_EQ(inference_error("%x: f32[2,3]", "%t = const s32[2] [4, -1] %y = Reshape(%x, %t)"),
            "Reshape 'y': its input has shape [2,3], which cannot become [4,-1]");
  EXPECT_EQ(inference_error("%x: f32[2,3]", "%t = const s32[2] [-1, -1] %y = Reshape(%x, %t)"),
            "Reshape 'y': its target shape [-1,-1] has more than one -1");
  EXPECT_EQ(inference_error("%x: f32[2,3]", "%t = const s64[3] [4294967296, 4294967296, 2] %y = Reshape(%x, %t)"),
            "Reshape 'y': its target shape [4294967296,4294967296,2] is too large");
}

TEST(Slices, InferAndRefuse) {
  const std::string crop = R"(
    %b = const s32[4] [0, 1, 1, 0] %e = const s32[4] [0, 0, 0, 0] %s = const s32[4] [1, 1, 1, 1]
    %y = StridedSlice(%x, %b, %e, %s) {begin_mask=9, end_mask=15})";
  EXPECT_EQ(inferred("%x: f32[?,8,8,3]", crop), "f32[?,7,7,3]");
  EXPECT_EQ(inference_error("%x: f32[4]", R"(
    %b = const s32[1] [4] %s = const s32[1] [1] %y = StridedSlice(%x, %b, %b, %s) {shrink_axis_mask=1})"),
            "StridedSlice 'y': index 4 is out of range for an axis of size 4");
  EXPECT_EQ(inference_error("%x: f32[4]", "%b = const s32[1] [0] %y = StridedSlice(%x, %b, %b, %b)"),
            "StridedSlice 'y': a stride is 0, expected another number than 0");
  EXPECT_EQ(inferred("%x: f32[?,8]", "%b = const s32[2] [0, 2] %s = const s32[2] [-1, -1] %y = Slice(%x, %b, %s)"),
            "f32[?,6]");
  EXPECT_EQ(inference_error("%x: f32[4]", "%b = const s32[1] [2] %s = const s32[1] [3] %y = Slice(%x, %b, %s)"),
            "Slice 'y': begin 2 and size 3 do not fit axis 0 of [4]");
}

TEST(Joins, InferAndRefuse) {
  EXPECT_EQ(inferred("%a: f32[?,3], %b: f32[2,?]", "%x = const s32[] [1] %y = ConcatV2(%a, %b, %x)"), "f32[2,?]");
  EXPECT_EQ(inferred("%a: f32[?,3], %b: f32[2,4]", "%x = const s32[] [-1] %y = ConcatV2(%a, %b, %x)"), "f32[2,7]");
  EXPECT_EQ(inference_error("%a: f32[1,3], %b: f32[2,3]", "%x = const s32[] [1] %y = ConcatV2(%a, %b, %x)"),
            "ConcatV2 'y': a dimension beside the joined axis is 2, expected 1");
  EXPECT_EQ(inferred("%a: f32[?,6]", "%x = const s32[] [1] %y, %z = Split(%x, %a) {num_split=2}"), "f32[?,3]");
  EXPECT_EQ(inference_error("%a: f32[?,7]", "%x = const s32[] [1] %y, %z = Split(%x, %a) {num_split=2}"),
            "Split 'y': axis 1 of [?,7] cannot be split into 2 equal parts");
}

TEST(Reductions, Infer) {
  EXPECT_EQ(inferred("%x: f32[?,7,7,8]", "%a = const s32[2] [1, 2] %y = Mean(%x, %a)"), "f32[?,8]");
  EXPECT_EQ(inferred("%x: f32[?,7,7,8]", "%a = const s32[2] [-3, 2] %y = Mean(%x, %a) {keep_dims=true}"),
            "f32[?,1,1,8]");
  EXPECT_EQ(inferred("%x: f32[?,7,8], %a: s32[1]", "%y = Max(%x, %a) {keep_dims=true}"), "f32[?,?,?]");
  EXPECT_EQ(inference_error("%x: f32[2,2]", "%a = const s32[2] [1, -1] %y = Sum(%x, %a)"),
            "Sum 'y': axis -1 is given twice");
  EXPECT_EQ(inferred("%x: f32[?,10]", "%a = const s32[] [1] %y = ArgMax(%x, %a)"), "s64[?]");
}

TEST(Attention, Infer) {
  const std::string kv = ", %k: f32[?,7,3,8], %v: f32[?,7,3,5]";
  EXPECT_EQ(inferred("%q: f32[2,4,3,8]" + kv, "%y = Attention(%q, %k, %v) {scale=1.0}"), "f32[2,4,3,5]");
  EXPECT_EQ(inferred("%q: f32[?,?,?,8]" + kv + ", %m: f32[?,1,1,7]", "%y = Attention(%q, %k, %v, %m)"), "f32[?,?,3,5]");
  EXPECT_EQ(inference_error("%q: f32[2,4,3,9]" + kv, "%y = Attention(%q, %k, %v)"),
            "Attention 'y': the keys' depth is 8, expected 9");
  EXPECT_EQ(inference_error("%q: f32[2,4,2,8]" + kv, "%y = Attention(%q, %k, %v)"),
            "Attention 'y': the keys' heads is 3, expected 2");
  EXPECT_EQ(inference_error("%q: f32[2,1,3,8]" + kv + ", %m: f32[1,1,4,7]", "%y = Attention(%q, %k, %v, %m)"),
            "Attention 'y': its mask has shape [1,1,4,7], expected one that broadcasts to [2,3,1,7]");
}

TEST(Tables, AreHandChecked) {
  const char* cases[] = {
      "%i = const s32[2] [1, 3] %d = const s32[] [3] %on = const f32[] [2.0] %off = const f32[] [-1.0]"
      "%y = OneHot(%i, %d, %on, %off) %e = const f32[2,3] [-1.0, 2.0, -1.0, -1.0, -1.0, -1.0]",
      "%x = const f32[1,2] [1.0, 2.0] %m = const s32[2] [2, 2]"
      "%y = Tile(%x, %m) %e = const f32[2,4] [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]",
      "%x = const f32[3] [1.0, 2.0, 3.0] %p = const s32[1,2] [2, 1]"
      "%y = MirrorPad(%x, %p) {mode=\"REFLECT\"} %e = const f32[6] [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]",
      "%x = const f32[1,1,1,4] [1.0, 2.0, 3.0, 4.0]"
      "%y = DepthToSpace(%x) {block_size=2} %e = const f32[1,2,2,1] [1.0, 2.0, 3.0, 4.0]",
      "%x = const f32[2,2] [1.0, 2.0, 3.0, 4.0] %s = const f32[2] [2.0, -1.0] %o = const f32[2] [0.0, 1.0]"
      "%y = BatchNormAffine(%x, %s, %o) %e = const f32[2,2] [2.0, -1.0, 6.0, -3.0]",
      "%x = const f32[1,2] [1.0, 3.0] %g = const f32[2] [2.0, 2.0] %b = const f32[2] [0.0, 1.0]"
      "%y = LayerNorm(%x, %g, %b) {epsilon=0.0} %e = const f32[1,2] [-2.0, 3.0]",
      // The second key is masked, the scores of the others are 0 and ln 3.
      "%q = const f32[1,1,1,1] [2.0] %k = const f32[1,3,1,1] [0.0, 5.0, 1.0986123]"
      "%v = const f32[1,3,1,2] [4.0, 8.0, 100.0, 100.0, 0.0, 4.0] %m = const f32[1,1,1,3] [0.0, -1e30, 0.0]"
      "%y = Attention(%q, %k, %v, %m) {scale=0.5} %e = const f32[1,1,1,2] [1.0, 5.0]",
      "%a = const f32[2,2] [1.0, 2.0, 3.0, 4.0] %b = const f32[2] [1.0, 10.0]"
      "%y = Einsum(%a, %b) {equation=\"ij,j->i\"} %e = const f32[2] [21.0, 43.0]",
      "%start = const s32[] [3] %limit = const s32[] [-2] %delta = const s32[] [-2]"
      "%y = Range(%start, %limit, %delta) %e = const s32[3] [3, 1, -1]",
  };
  for (const char* body : cases) EXPECT_TRUE(computes_expected(body));
}

}  // namespace
}  // namespace tfengine
