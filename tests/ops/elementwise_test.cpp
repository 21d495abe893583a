// SPDX-License-Identifier: Apache-2.0
// Activations, unary and binary functions, selection: hand-checked cases beside the golden ones.
#include <gtest/gtest.h>

#include "ops/op.h"
#include "support/graph_text.h"

namespace tfengine {
namespace {

using testing::computes_expected;
using testing::inference_error;
using testing::inferred;

struct FunctionCase {
  const char* op;
  const char* x;
  const char* y;
};

// Ours: TensorFlow has no op for them, so no golden case covers them.
const FunctionCase kOurs[] = {
    {"Swish(%x)", "[0.0, 1.0, -2.0]", "[0.0, 0.7310586, -0.23840584]"},
    {"HardSwish(%x)", "[-4.0, -1.5, 3.0]", "[0.0, -0.375, 3.0]"},
    {"HardSigmoid(%x)", "[-4.0, 0.0, 1.5]", "[0.0, 0.5, 0.75]"},
    {"Gelu(%x)", "[0.0, 1.0, -1.0]", "[0.0, 0.8413447, -0.15865526]"},
    {"Gelu(%x) {approximate=true}", "[0.0, 1.0, -1.0]", "[0.0, 0.841192, -0.158808]"},
    {"Clip(%x) {min=-1.0, max=0.5}", "[-3.0, 0.25, 3.0]", "[-1.0, 0.25, 0.5]"},
    {"Quantize(%x)", "[0.1, 2.0, -3.0]", "[0.1, 2.0, -3.0]"},
};

TEST(Elementwise, OursComputeTheirFormula) {
  for (const FunctionCase& row : kOurs) {
    EXPECT_TRUE(computes_expected(std::string("%x = const f32[3] ") + row.x + "\n%y = " + row.op +
                                  "\n%e = const f32[3] " + row.y));
  }
}

TEST(Elementwise, IntegersWrapAndRoundAsTensorFlowDoes) {
  EXPECT_TRUE(computes_expected(R"(
    %a = const s32[3] [2147483647, -7, 7]
    %b = const s32[3] [1, 2, -2]
    %sum = Add(%a, %b) %quotient = FloorDiv(%a, %b) %rest = FloorMod(%a, %b)
    %y = Pack(%sum, %quotient, %rest)
    %e = const s32[3,3] [-2147483648, -5, 5, 2147483647, -4, -4, 0, 1, -1])"));
}

TEST(Elementwise, HalfPrecisionRoundsOnce) {
  EXPECT_TRUE(computes_expected(R"(
    %a = const f16[2] [1.0, 2048.0]
    %b = const f16[2] [0.00048828125, 1.0]
    %y = AddV2(%a, %b)
    %e = const f16[2] [1.0, 2048.0])"));
}

TEST(Elementwise, BroadcastsUnknownDimensions) {
  EXPECT_EQ(inferred("%a: f32[?,1,8], %b: f32[4,8]", "%y = Mul(%a, %b)"), "f32[?,4,8]");
  EXPECT_EQ(inferred("%a: f32[?,3], %b: f32[2,?]", "%y = Sub(%a, %b)"), "f32[2,3]");
  EXPECT_EQ(inferred("%a: f32[?], %b: f32[?]", "%y = Less(%a, %b)"), "bool[?]");
  EXPECT_EQ(inferred("%a: f32[...], %b: f32[2]", "%y = Add(%a, %b)"), "f32[...]");
}

TEST(Elementwise, RefusesWhatCannotBe) {
  EXPECT_EQ(inference_error("%a: f32[2,3], %b: f32[4]", "%y = AddV2(%a, %b)"),
            "AddV2 'y': shapes [2,3] and [4] cannot be broadcast together");
  EXPECT_EQ(inference_error("%a: f32[2], %b: s32[2]", "%y = Mul(%a, %b)"),
            "Mul 'y': its inputs are float32 and int32, expected one type");
  EXPECT_EQ(inference_error("%a: f32[2]", "%y = Mul(%a)"), "Mul 'y': has 1 inputs, expected 2");
  EXPECT_EQ(inference_error("", "%a = const s32[1] [1] %b = const s32[1] [0] %y = FloorDiv(%a, %b)"),
            "division of integers by zero");
}

TEST(Elementwise, ActivationOfNamesTheFusableOnes) {
  ir::Node node;
  node.op = "Relu6";
  EXPECT_EQ(ops::activation_of(node), (Act{ActKind::Clip, 0.0f, 6.0f}));
  node.op = "LeakyRelu";
  node.attrs["alpha"] = 0.5f;
  EXPECT_EQ(ops::activation_of(node), (Act{ActKind::LeakyRelu, 0.5f, 0.0f}));
  node.op = "Exp";
  EXPECT_EQ(ops::activation_of(node), std::nullopt);
}

}  // namespace
}  // namespace tfengine
