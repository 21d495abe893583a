// SPDX-License-Identifier: Apache-2.0
#include "passes/fold_affine.h"

#include "passes/support.h"

namespace tfengine::passes {
namespace {

const std::vector<NamedPass> kBackward = {{"fold_affine_backward", fold_affine_backward}};
const std::vector<NamedPass> kBoth = {{"fold_affine_backward", fold_affine_backward},
                                      {"fold_affine_forward", fold_affine_forward}};

TEST(FoldAffine, BatchNormAndBiasIntoConvolution) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[3,3,3,4] uniform(1, -1.0, 1.0)
    %b = const f32[4] [0.5, -0.5, 1.0, 0.0]
    %s = const f32[4] uniform(2, 0.5, 2.0)
    %o = const f32[4] uniform(3, -1.0, 1.0)
    %m = const f32[4] uniform(4, -1.0, 1.0)
    %v = const f32[4] uniform(5, 0.5, 2.0)
    %c = Conv2D(%x, %w) {strides=[1,2,2,1], padding="SAME"}
    %d = BiasAdd(%c, %b)
    %n, %n:1, %n:2, %n:3, %n:4, %n:5 = FusedBatchNormV3(%d, %s, %o, %m, %v) {epsilon=0.001, is_training=false}
    return %n
  })",
                                   kBackward);
  EXPECT_EQ(result.nodes,
            "%n = Conv2D(%x, %w/folded, %c/bias_1) {padding=\"SAME\", strides=[1, 2, 2, 1]} "
            "epilogue(bias=2) name(\"c\")\n");
}

TEST(FoldAffine, DecomposedBatchNormIntoDepthwiseWithMultiplier) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[3,3,3,2] uniform(1, -1.0, 1.0)
    %s = const f32[1,1,1,6] uniform(2, 0.5, 2.0)
    %o = const f32[6] uniform(3, -1.0, 1.0)
    %c = DepthwiseConv2dNative(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %m = Mul(%s, %c)
    %a = Add(%m, %o)
    return %a
  })",
                                   kBackward);
  EXPECT_EQ(result.nodes,
            "%a = DepthwiseConv2dNative(%x, %w/folded, %c/bias) {padding=\"SAME\", strides=[1, 1, 1, 1]} "
            "epilogue(bias=2) name(\"c\")\n");
}

TEST(FoldAffine, GroupedConvolutionForward) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,4]) {
    %w = const f32[3,3,2,6] uniform(1, -1.0, 1.0)
    %s = const f32[4] uniform(2, 0.5, 2.0)
    %o = const f32[4] uniform(3, -1.0, 1.0)
    %a = BatchNormAffine(%x, %s, %o)
    %c = Conv2D(%a, %w) {strides=[1,1,1,1], padding="VALID"}
    return %c
  })",
                                   kBoth);
  EXPECT_EQ(result.nodes,
            "%c = Conv2D(%x, %w/folded, %c/bias) {padding=\"VALID\", strides=[1, 1, 1, 1]} epilogue(bias=2)\n");
}

TEST(FoldAffine, IntoTransposedMatMulOnBothSides) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,4]) {
    %w = const f32[3,4] uniform(1, -1.0, 1.0)
    %s = const f32[4] uniform(2, 0.5, 2.0)
    %o = const f32[4] uniform(3, -1.0, 1.0)
    %b = const f32[3] uniform(4, -1.0, 1.0)
    %r = Relu(%x)
    %m = Mul(%r, %s)
    %a = Add(%m, %o)
    %y = MatMul(%a, %w) {transpose_b=true}
    %z = BiasAdd(%y, %b)
    return %z
  })",
                                   kBoth);
  EXPECT_EQ(result.nodes,
            "%r = Relu(%x)\n%z = MatMul(%r, %w/folded, %y/bias_1) {transpose_b=true} epilogue(bias=2) name(\"y\")\n");
}

TEST(FoldAffine, AnOffsetCannotCrossPadding) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[3,3,3,4] uniform(1, -1.0, 1.0)
    %s = const f32[] [0.007843138]
    %o = const f32[] [-1.0]
    %m = Mul(%x, %s)
    %a = Add(%m, %o)
    %c = Conv2D(%a, %w) {strides=[1,2,2,1], padding="SAME"}
    return %c
  })",
                                   kBoth);
  EXPECT_EQ(result.nodes,
            "%a = BatchNormAffine(%x, %a/scale, %a/offset)\n"
            "%c = Conv2D(%a, %w) {padding=\"SAME\", strides=[1, 2, 2, 1]}\n");
}

TEST(FoldAffine, AScaleCrossesPadding) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[3,3,3,4] uniform(1, -1.0, 1.0)
    %s = const f32[] [0.25]
    %m = Mul(%x, %s)
    %c = Conv2D(%m, %w) {strides=[1,2,2,1], padding="SAME"}
    return %c
  })",
                                   kBoth);
  EXPECT_EQ(result.nodes, "%c = Conv2D(%x, %w/folded) {padding=\"SAME\", strides=[1, 2, 2, 1]}\n");
}

TEST(FoldAffine, ThroughAConcatenationOfConvolutions) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[1,1,3,4] uniform(1, -1.0, 1.0)
    %v = const f32[1,1,3,2] uniform(2, -1.0, 1.0)
    %axis = const s32[] [-1]
    %s = const f32[6] uniform(3, 0.5, 2.0)
    %o = const f32[6] uniform(4, -1.0, 1.0)
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %d = Conv2D(%x, %v) {strides=[1,1,1,1], padding="SAME"} -> f32[?,5,5,2] range(max_abs=2.0, custom, "fq")
    %k = ConcatV2(%c, %d, %axis)
    %y = BatchNormAffine(%k, %s, %o)
    return %y
  })",
                                   kBackward);
  EXPECT_EQ(result.nodes,
            "%c/affine = Conv2D(%x, %w/folded, %c/bias) {padding=\"SAME\", strides=[1, 1, 1, 1]} epilogue(bias=2) "
            "name(\"c\")\n"
            "%d/affine = Conv2D(%x, %v/folded, %d/bias) {padding=\"SAME\", strides=[1, 1, 1, 1]} epilogue(bias=2) "
            "name(\"d\")\n"
            "%y = ConcatV2(%c/affine, %d/affine, %axis) name(\"k\")\n");
  EXPECT_EQ(result.notes.size(), 1u);
}

TEST(FoldAffine, TensorsThatOthersUseStay) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[1,1,3,4] uniform(1, -1.0, 1.0)
    %s = const f32[4] uniform(2, 0.5, 2.0)
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %m = Mul(%c, %s)
    return %m, %c
  })",
                                   kBoth);
  EXPECT_EQ(result.rewrites, 0);
}

TEST(FoldAffine, DenylistedNodesStay) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[1,1,3,4] uniform(1, -1.0, 1.0)
    %b = const f32[4] uniform(2, 0.5, 2.0)
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"} denylisted
    %m = BiasAdd(%c, %b)
    return %m
  })",
                                   kBoth);
  EXPECT_EQ(result.rewrites, 0);
}

TEST(FoldAffine, ALostRangeIsReported) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[1,1,3,4] uniform(1, -1.0, 1.0)
    %b = const f32[4] uniform(2, 0.5, 2.0)
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"} -> f32[?,5,5,4] range(max_abs=3.0, custom, "fq")
    %m = BiasAdd(%c, %b) -> f32[?,5,5,4] range(max_abs=5.0, custom, "fq2")
    return %m
  })",
                                   kBoth);
  ASSERT_EQ(result.notes.size(), 1u);
  EXPECT_EQ(result.notes[0], "the range of 'c' (from 'fq') is ignored: fold_affine_backward removed the tensor");
  EXPECT_EQ(result.graph.value(result.graph.find_value("m")).range->max_abs, 5.0f);
}

}  // namespace
}  // namespace tfengine::passes
