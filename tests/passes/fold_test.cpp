// SPDX-License-Identifier: Apache-2.0
// Constants, common subexpressions, pads, concatenations, and arithmetic with constants.
#include "passes/common_subexpressions.h"
#include "passes/flatten_concats.h"
#include "passes/fold_constants.h"
#include "passes/fold_pads.h"
#include "passes/simplify_arithmetic.h"
#include "passes/support.h"

namespace tfengine::passes {
namespace {

TEST(FoldConstants, WhatDependsOnConstantsOnly) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,4]) {
    %v = const f32[4] [1.0, 4.0, 9.0, 16.0]
    %e = const f32[] [0.0]
    %a = Add(%v, %e)
    %r = Rsqrt(%a)
    %y = Mul(%x, %r)
    return %y
  })",
                                   {{"fold_constants", fold_constants}});
  EXPECT_EQ(result.nodes, "%y = Mul(%x, %r)\n");
}

TEST(FoldConstants, WhatDependsOnKnownShapes) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[2,4,3]) {
    %s = Shape(%x) -> s32[3]
    %y = Reshape(%x, %s)
    return %y
  })",
                                   {{"fold_constants", fold_constants}});
  EXPECT_EQ(result.nodes, "%y = Reshape(%x, %s)\n");
}

TEST(FoldConstants, NotWhatWouldSwellTheEngine) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[1024,512]) {
    %dims = const s32[2] [1024, 512]
    %one = const f32[] [1.0]
    %f = Fill(%dims, %one)
    %y = Add(%x, %f)
    return %y
  })",
                                   {{"fold_constants", fold_constants}});
  EXPECT_EQ(result.rewrites, 0);
}

TEST(FoldConstants, NotWhatWouldFillTheMemory) {
  ir::Graph graph = parse_and_infer(R"(graph @g(%x: f32[]) {
    %dims = const s32[2] [2000000000, 2000000000]
    %one = const f32[] [1.0]
    %f = Fill(%dims, %one)
    %y = Add(%x, %f)
    return %y
  })");
  PassContext context;
  EXPECT_EQ(fold_constants(graph, context), 0);
}

TEST(FoldConstants, NotDenylistedNodes) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,2]) {
    %v = const f32[2] [1.0, 4.0]
    %r = Rsqrt(%v) denylisted
    %y = Mul(%x, %r)
    return %y
  })",
                                   {{"fold_constants", fold_constants}});
  EXPECT_EQ(result.rewrites, 0);
}

TEST(CommonSubexpressions, EqualNodesAndConstantsMerge) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,2]) {
    %v = const f32[2] [1.0, 4.0]
    %w = const f32[2] [1.0, 4.0]
    %a = Mul(%x, %v)
    %b = Mul(%x, %w)
    %c = Relu(%a)
    %d = Relu(%b)
    %y = Add(%c, %d)
    return %y
  })",
                                   {{"common_subexpressions", common_subexpressions}});
  EXPECT_EQ(result.nodes, "%a = Mul(%x, %v)\n%c = Relu(%a)\n%y = Add(%c, %c)\n");
}

TEST(CommonSubexpressions, OutputsAndDenylistedNodesStay) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,2]) {
    %c = Relu(%x)
    %d = Relu(%x)
    %e = Tanh(%x)
    %f = Tanh(%x) denylisted
    return %c, %d, %e, %f
  })",
                                   {{"common_subexpressions", common_subexpressions}});
  EXPECT_EQ(result.rewrites, 0);
}

TEST(FoldPads, IntoConvolutionAndNonNegativeMaxPool) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,6,6,3]) {
    %p = const s32[4,2] [0, 0, 1, 2, 0, 1, 0, 0]
    %w = const f32[3,3,3,3] uniform(1, -1.0, 1.0)
    %a = Pad(%x, %p)
    %c = Conv2D(%a, %w) {strides=[1,2,2,1], padding="VALID"}
    %r = Relu(%c)
    %b = Pad(%r, %p)
    %m = MaxPool(%b) {ksize=[1,3,3,1], strides=[1,1,1,1], padding="VALID"}
    return %m
  })",
                                   {{"fold_pads", fold_pads}});
  EXPECT_EQ(
      result.nodes,
      "%c = Conv2D(%x, %w) {explicit_paddings=[0, 0, 1, 2, 0, 1, 0, 0], padding=\"EXPLICIT\", strides=[1, 2, 2, 1]}\n"
      "%r = Relu(%c)\n"
      "%m = MaxPool(%r) {explicit_paddings=[0, 0, 1, 2, 0, 1, 0, 0], ksize=[1, 3, 3, 1], padding=\"EXPLICIT\", "
      "strides=[1, 1, 1, 1]}\n");
}

TEST(FoldPads, NotWhereItWouldShow) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,6,6,3]) {
    %p = const s32[4,2] [0, 0, 1, 1, 1, 1, 0, 0]
    %w = const f32[3,3,3,3] uniform(1, -1.0, 1.0)
    %a = Pad(%x, %p)
    %m = MaxPool(%a) {ksize=[1,3,3,1], strides=[1,1,1,1], padding="VALID"}
    %b = Pad(%m, %p)
    %v = AvgPool(%b) {ksize=[1,3,3,1], strides=[1,1,1,1], padding="VALID"}
    %d = Pad(%v, %p)
    %c = Conv2D(%d, %w) {strides=[1,2,2,1], padding="SAME"}
    return %c
  })",
                                   {{"fold_pads", fold_pads}});
  EXPECT_EQ(result.rewrites, 0);
}

TEST(FlattenConcats, NestedOnesOfOneAxis) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,2,3], %y: f32[?,2,3]) {
    %last = const s32[] [-1]
    %two = const s32[] [2]
    %one = const s32[] [1]
    %a = ConcatV2(%x, %y, %last)
    %b = ConcatV2(%x, %a, %two)
    %c = ConcatV2(%b, %b, %one)
    return %c
  })",
                                   {{"flatten_concats", flatten_concats}});
  EXPECT_EQ(result.nodes, "%b = ConcatV2(%x, %x, %y, %two) {N=3}\n%c = ConcatV2(%b, %b, %one)\n");
}

TEST(FlattenConcats, TheAxisComesLast) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,3], %y: f32[?,3]) {
    %axis = const s32[] [1]
    %c = Concat(%axis, %x, %y)
    return %c
  })",
                                   {{"flatten_concats", flatten_concats}});
  EXPECT_EQ(result.nodes, "%c = ConcatV2(%x, %y, %axis)\n");
}

TEST(SimplifyArithmetic, OneSpelling) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,2]) {
    %four = const f32[] [4.0]
    %half = const f32[] [0.5]
    %one = const f32[] [1.0]
    %zero = const f32[1,1] [0.0]
    %two = const f32[] [2.0]
    %v = const f32[2] [1.0, 3.0]
    %a = RealDiv(%x, %four)
    %b = Mul(%a, %half)
    %c = Sub(%b, %v)
    %d = Mul(%one, %c)
    %e = Add(%d, %zero)
    %f = Pow(%e, %two)
    %g = Pow(%f, %half)
    return %g
  })",
                                   {{"simplify_arithmetic", simplify_arithmetic}});
  EXPECT_EQ(result.nodes, "%b = Mul(%x, %half/combined)\n%c = Add(%b, %v/negated)\n%f = Square(%c)\n%g = Sqrt(%f)\n");
}

TEST(SimplifyArithmetic, ASumOfTwoIsAnAdd) {
  const Rewritten result = rewrite("graph @g(%x: f32[2], %z: f32[2]) { %y = AddN(%x, %z) {N=2} return %y }",
                                   {{"simplify_arithmetic", simplify_arithmetic}});
  EXPECT_EQ(result.nodes, "%y = Add(%x, %z)\n");
}

TEST(SimplifyArithmetic, NotWhereTheShapeChanges) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[2]) {
    %ones = const f32[3,1] ones
    %y = Mul(%x, %ones)
    return %y
  })",
                                   {{"simplify_arithmetic", simplify_arithmetic}});
  EXPECT_EQ(result.rewrites, 0);
}

}  // namespace
}  // namespace tfengine::passes
