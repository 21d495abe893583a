// SPDX-License-Identifier: Apache-2.0
#include "compiler/batch_split.h"

#include <gtest/gtest.h>

#include "ir/parser.h"
#include "ops/op.h"
#include "passes/specialize.h"

namespace tfengine::detail {
namespace {

// Why a batch of 6 cannot be run two by two; empty when it can.
std::string refusal(const std::string& inputs, const std::string& body, int64_t chunk = 2) {
  ir::Graph graph = ir::parse("graph @net(" + inputs + ") {\n" + body + "}\n");
  ops::infer_graph(graph);
  const auto with = [&](int64_t samples) {
    std::vector<Shape> shapes;
    for (const ir::ValueId id : graph.inputs) {
      shapes.push_back(graph.value(id).shape);
      if (shapes.back().rank() > 0) shapes.back()[0] = samples;
    }
    return passes::specialize(graph, shapes);
  };
  const auto answer = splits_by_batch(with(6), with(chunk));
  return answer ? answer->reason : "";
}

TEST(BatchSplit, AClassifier) {
  EXPECT_EQ(refusal("%x: f32[?,8,8,4]", R"(
  %w = const f32[3,3,4,8] uniform(1, -0.2, 0.2)
  %k = const f32[8,5] uniform(2, -0.2, 0.2)
  %axes = const s32[2] [1,2]
  %offset = const f32[8] uniform(3, 0, 1)
  %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"} epilogue(after=Relu)
  %r = Conv2D(%x, %w, %c) {strides=[1,1,1,1], padding="SAME"} epilogue(residual=2, after=Relu)
  %p = MaxPool(%r) {ksize=[1,3,3,1], strides=[1,1,1,1], padding="SAME"}
  %a = Add(%p, %offset)
  %m = Mean(%a, %axes) {keep_dims=false}
  %y = MatMul(%m, %k)
  %z = Softmax(%y)
  return %z
)"),
            "");
}

TEST(BatchSplit, AttentionAndMovedElements) {
  EXPECT_EQ(refusal("%x: f32[?,4,6]", R"(
  %axis = const s32[] [2]
  %perm = const s32[3] [0,2,1]
  %shape = const s32[2] [-1,8]
  %pads = const s32[3,2] [0,0,1,1,0,0]
  %a, %b, %c = Split(%axis, %x) {num_split=3}
  %t = Transpose(%b, %perm)
  %s = BatchMatMulV2(%a, %t)
  %p = Softmax(%s)
  %v = BatchMatMulV2(%p, %c)
  %w = ConcatV2(%v, %a, %axis) {N=2}
  %q = Pad(%c, %pads)
  %f = Reshape(%v, %shape)
  return %f, %w, %q
)"),
            "");
}

// The attention of a transformer over embedded tokens, in the form that the passes give it.
TEST(BatchSplit, AnEncoder) {
  const auto encoder = [](const std::string& mask) {
    return refusal("%ids: s32[?,4], %m: f32[?,1,1,4]", R"(
  %table = const f32[10,6] uniform(1, -1, 1)
  %axis = const s32[] [0]
  %w = const f32[6,6] uniform(2, -1, 1)
  %rows = const s32[2] [-1,6]
  %heads = const s32[4] [-1,4,2,3]
  %one = const f32[1,1,4,4] uniform(4, -1, 1)
  %e = GatherV2(%table, %ids, %axis)
  %r = Reshape(%e, %rows)
  %p = MatMul(%r, %w)
  %h = Reshape(%p, %heads)
  %a = Attention(%h, %h, %h)" + mask + R"() {scale=0.5}
  return %a
)");
  };
  for (const char* mask : {"", ", %m", ", %one"}) EXPECT_EQ(encoder(mask), "") << mask;
  EXPECT_EQ(refusal("%x: f32[?,4], %ids: s32[?]",
                    "  %axis = const s32[] [0]\n  %y = GatherV2(%x, %ids, %axis)\n  return %y\n"),
            "GatherV2 'y' mixes the samples of a batch");
}

TEST(BatchSplit, SamplesThatMeetAreNamed) {
  EXPECT_EQ(
      refusal("%x: f32[?,4]", "  %axes = const s32[1] [0]\n  %y = Mean(%x, %axes) {keep_dims=true}\n  return %y\n"),
      "Mean 'y' mixes the samples of a batch");
  EXPECT_EQ(refusal("%x: f32[?,4]", "  %perm = const s32[2] [1,0]\n  %y = Transpose(%x, %perm)\n  return %y\n"),
            "Transpose 'y' mixes the samples of a batch");
  EXPECT_EQ(refusal("%x: f32[?,4]", "  %y = MatMul(%x, %x) {transpose_b=true}\n  return %y\n"),
            "MatMul 'y' mixes the samples of a batch");
  EXPECT_EQ(refusal("%x: f32[?,4]", "  %axis = const s32[] [0]\n  %y = ConcatV2(%x, %x, %axis) {N=2}\n  return %y\n"),
            "ConcatV2 'y' mixes the samples of a batch");
  EXPECT_EQ(refusal("%x: f32[?,4]", "  %shape = const s32[2] [-1,2]\n  %y = Reshape(%x, %shape)\n  return %y\n"),
            "output 'y' has no first dimension of 6 samples");
  EXPECT_EQ(refusal("%x: f32[?,4]", "  %axes = const s32[1] [0]\n  %y = ExpandDims(%x, %axes)\n  return %y\n"),
            "ExpandDims 'y' does not keep the samples apart");
  EXPECT_EQ(refusal("%x: f32[?]", "  %y = Softmax(%x)\n  return %y\n"), "Softmax 'y' mixes the samples of a batch");
}

// Rows of all samples side by side, as products of transformers have them.
TEST(BatchSplit, RowsOfSamples) {
  const auto rows = [](const std::string& body) {
    return refusal("%x: f32[?,4,6]", "  %rows = const s32[2] [-1,6]\n  %back = const s32[3] [-1,4,6]\n" + body);
  };
  EXPECT_EQ(rows(R"(
  %w = const f32[6,6] uniform(2, -1, 1)
  %r = Reshape(%x, %rows)
  %p = MatMul(%r, %w)
  %s = Add(%p, %r)
  %y = Reshape(%s, %back)
  return %y
)"),
            "");
  EXPECT_EQ(rows("  %r = Reshape(%x, %rows)\n  return %r\n"), "output 'r' has no first dimension of 6 samples");
  // As many rows as there are samples, of the first one and a half.
  EXPECT_EQ(rows(R"(
  %r = Reshape(%x, %rows)
  %begin = const s32[2] [0,0]
  %size = const s32[2] [6,6]
  %y = Slice(%r, %begin, %size)
  return %y
)"),
            "Slice 'y' does not keep the samples apart");
}

TEST(BatchSplit, TensorsAlongTheSamplesAreNamed) {
  // Six rows, as many as there are samples.
  EXPECT_EQ(refusal("%x: f32[?,4,4]", R"(
  %c = const f32[6,4] uniform(1, 0, 1)
  %axes = const s32[1] [1]
  %m = Mean(%x, %axes) {keep_dims=false}
  %y = Add(%m, %c)
  return %y
)",
                    6),
            "Add 'y' has an operand with a value for each sample");
}

TEST(BatchSplit, ArithmeticWithTheNumberOfSamples) {
  const std::string reason = refusal("%x: f32[?,4]", R"(
  %s = Shape(%x)
  %f = Cast(%s) {DstT=f32}
  %begin = const s32[1] [0]
  %size = const s32[1] [1]
  %n = Slice(%f, %begin, %size)
  %y = Mul(%x, %n)
  return %y
)");
  EXPECT_NE(reason.find("'y'"), std::string::npos) << reason;
}

TEST(BatchSplit, InputsAndOutputsHaveSamples) {
  EXPECT_EQ(refusal("%x: f32[?,4], %n: f32[]", "  %y = Mul(%x, %n)\n  return %y\n"),
            "input 'n' has no first dimension");
  EXPECT_EQ(refusal("%x: f32[?,4]", "  %c = const f32[2] [1,2]\n  %d = Relu(%c)\n  %y = Relu(%x)\n  return %y, %d\n")
                .substr(0, 8),
            "output '");
}

}  // namespace
}  // namespace tfengine::detail
