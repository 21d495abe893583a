// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse_epilogues.h"

#include "passes/support.h"

namespace tfengine::passes {
namespace {

const std::vector<NamedPass> kPass = {{"fuse_epilogues", fuse_epilogues}};

TEST(FuseEpilogues, ActivationResidualActivation) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[1,1,3,3] uniform(1, -1.0, 1.0)
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %r = Relu6(%c)
    %a = Add(%x, %r)
    %y = LeakyRelu(%a) {alpha=0.1}
    return %y
  })",
                                   kPass);
  EXPECT_EQ(result.nodes,
            "%y = Conv2D(%x, %w, %x) {padding=\"SAME\", strides=[1, 1, 1, 1]} epilogue(before=Clip(0.0, 6.0), "
            "residual=2, after=LeakyRelu(0.1, 0.0)) name(\"c\")\n");
}

TEST(FuseEpilogues, OfTwoConvolutionsTheLaterTakesTheOther) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[1,1,3,3] uniform(1, -1.0, 1.0)
    %v = const f32[1,1,3,3] uniform(2, -1.0, 1.0)
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %d = Conv2D(%x, %v) {strides=[1,1,1,1], padding="SAME"}
    %a = Add(%d, %c)
    %y = Relu(%a)
    return %y
  })",
                                   kPass);
  EXPECT_EQ(result.nodes,
            "%c = Conv2D(%x, %w) {padding=\"SAME\", strides=[1, 1, 1, 1]}\n"
            "%y = Conv2D(%x, %v, %c) {padding=\"SAME\", strides=[1, 1, 1, 1]} epilogue(residual=2, after=Relu) "
            "name(\"d\")\n");
}

TEST(FuseEpilogues, BroadcastAddsStay) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3], %e: f32[?,1,1,3]) {
    %w = const f32[1,1,3,3] uniform(1, -1.0, 1.0)
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %a = Add(%e, %c)
    %y = Relu(%a)
    return %y
  })",
                                   kPass);
  EXPECT_EQ(result.nodes,
            "%c = Conv2D(%x, %w) {padding=\"SAME\", strides=[1, 1, 1, 1]}\n"
            "%y = Add(%e, %c) epilogue(after=Relu) name(\"a\")\n");
}

TEST(FuseEpilogues, DepthwiseMatMulAndAffine) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[2,3,3,3]) {
    %w = const f32[3,3,3,1] uniform(1, -1.0, 1.0)
    %s = const f32[3] uniform(2, -1.0, 1.0)
    %m = const f32[27,4] uniform(3, -1.0, 1.0)
    %shape = const s32[2] [2, 27]
    %d = DepthwiseConv2dNative(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %h = HardSwish(%d)
    %n = BatchNormAffine(%h, %s, %s)
    %e = Elu(%n)
    %f = Reshape(%e, %shape)
    %y = MatMul(%f, %m)
    %z = Gelu(%y) {approximate=false}
    return %z
  })",
                                   kPass);
  EXPECT_EQ(result.nodes,
            "%h = DepthwiseConv2dNative(%x, %w) {padding=\"SAME\", strides=[1, 1, 1, 1]} epilogue(after=HardSwish) "
            "name(\"d\")\n"
            "%e = BatchNormAffine(%h, %s, %s) epilogue(after=Elu(1.0, 0.0)) name(\"n\")\n"
            "%f = Reshape(%e, %shape)\n"
            "%z = MatMul(%f, %m) epilogue(after=GeluErf) name(\"y\")\n");
}

TEST(FuseEpilogues, OutputsAndSharedTensorsAndDenylistedNodesStay) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[1,1,3,3] uniform(1, -1.0, 1.0)
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %r = Relu(%c)
    %d = Conv2D(%r, %w) {strides=[1,1,1,1], padding="SAME"}
    %s = Tanh(%d)
    %t = Add(%d, %s)
    %e = Conv2D(%t, %w) {strides=[1,1,1,1], padding="SAME"}
    %u = Relu(%e) denylisted
    return %u, %c
  })",
                                   kPass);
  EXPECT_EQ(result.rewrites, 0);
}

TEST(FuseEpilogues, ThroughAConcatenation) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[1,1,3,3] uniform(1, -1.0, 1.0)
    %v = const f32[1,1,3,3] uniform(2, -1.0, 1.0)
    %axis = const s32[] [3]
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %d = Conv2D(%x, %v) {strides=[1,1,1,1], padding="SAME"}
    %k = ConcatV2(%c, %x, %d, %axis)
    %y = Relu(%k)
    return %y
  })",
                                   kPass);
  EXPECT_EQ(result.nodes,
            "%c/activated = Conv2D(%x, %w) {padding=\"SAME\", strides=[1, 1, 1, 1]} epilogue(after=Relu) name(\"c\")\n"
            "%d/activated = Conv2D(%x, %v) {padding=\"SAME\", strides=[1, 1, 1, 1]} epilogue(after=Relu) name(\"d\")\n"
            "%x/activated = Relu(%x)\n"
            "%y = ConcatV2(%c/activated, %x/activated, %d/activated, %axis) name(\"k\")\n");
}

TEST(FuseEpilogues, OneResidualPerNode) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,3], %y: f32[?,5,5,3]) {
    %w = const f32[1,1,3,3] uniform(1, -1.0, 1.0)
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %a = Add(%c, %x)
    %b = Add(%a, %y)
    return %b
  })",
                                   kPass);
  EXPECT_EQ(result.nodes,
            "%a = Conv2D(%x, %w, %x) {padding=\"SAME\", strides=[1, 1, 1, 1]} epilogue(residual=2) name(\"c\")\n"
            "%b = Add(%a, %y)\n");
}

}  // namespace
}  // namespace tfengine::passes
