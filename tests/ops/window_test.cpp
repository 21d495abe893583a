// SPDX-License-Identifier: Apache-2.0
// Convolution, pooling and their geometry.
#include <gtest/gtest.h>

#include "ops/geometry.h"
#include "support/graph_text.h"

namespace tfengine {
namespace {

using testing::computes_expected;
using testing::inference_error;
using testing::inferred;

ir::Node window_node(const char* padding, int64_t stride, int64_t dilation) {
  ir::Node node;
  node.op = "Conv2D";
  node.name = "c";
  node.attrs["padding"] = std::string(padding);
  node.attrs["strides"] = std::vector<int64_t>{1, stride, stride, 1};
  node.attrs["dilations"] = std::vector<int64_t>{1, dilation, dilation, 1};
  return node;
}

TEST(Window, PadsAsTensorFlow) {
  // ResNet's first convolution: 224, kernel 7, stride 2: 2 before, 3 after.
  const ops::Window first = ops::conv_window(window_node("SAME", 2, 1), 224, 225, 7, 7);
  EXPECT_EQ(first.out_h, 112);
  EXPECT_EQ(first.pad_top, 2);
  EXPECT_EQ(first.pad_bottom, 3);
  EXPECT_EQ(first.out_w, 113);
  EXPECT_EQ(first.pad_left, 3);
  EXPECT_EQ(first.pad_right, 3);
  const ops::Window dilated = ops::conv_window(window_node("VALID", 1, 2), 8, 5, 3, 3);
  EXPECT_EQ(dilated.out_h, 4);
  EXPECT_EQ(dilated.out_w, 1);
  const ops::Window open = ops::conv_window(window_node("SAME", 2, 1), -1, -1, 3, 3);
  EXPECT_EQ(open.out_h, -1);
  EXPECT_EQ(open.pad_top, 0);
}

TEST(Convolution, InfersFromPartlyKnownShapes) {
  const std::string same = R"(
    %w = const f32[3,3,4,16] zeros
    %y = Conv2D(%x, %w) {strides=[1,2,2,1], padding="SAME"})";
  EXPECT_EQ(inferred("%x: f32[?,9,8,4]", same), "f32[?,5,4,16]");
  EXPECT_EQ(inferred("%x: f32[?,?,8,4]", same), "f32[?,?,4,16]");
  EXPECT_EQ(inferred("%x: f32[...]", same), "f32[?,?,?,?]");
  EXPECT_EQ(inferred("%x: f32[?,9,9,4]", R"(
    %w = const f32[3,3,4,2] zeros
    %y = DepthwiseConv2dNative(%x, %w) {strides=[1,1,1,1], padding="VALID"})"),
            "f32[?,7,7,8]");
}

TEST(Convolution, RefusesWhatCannotBe) {
  const std::string conv = "%y = Conv2D(%x, %w) {strides=[1,1,1,1], padding=\"VALID\"}";
  EXPECT_EQ(inference_error("%x: f32[1,8,8,3], %w: f32[3,3,3]", conv),
            "Conv2D 'y': input 1 has shape [3,3,3], expected rank 4");
  EXPECT_EQ(inference_error("%x: f32[1,8,8,3], %w: f32[3,3,2,8]", conv),
            "Conv2D 'y': the input has 3 channels, expected a multiple of the filter's 2");
  EXPECT_EQ(inference_error("%x: f32[1,2,2,3], %w: f32[5,5,3,8]", conv),
            "Conv2D 'y': the window of 5 (dilation 1) is larger than the input of 2");
  EXPECT_EQ(inference_error("%x: f32[1,8,8,3], %w: f32[3,3,3,8]",
                            "%y = Conv2D(%x, %w) {strides=[1,0,1,1], padding=\"SAME\"}"),
            "Conv2D 'y': attribute 'strides' is [1,0,1,1], expected positive entries");
  EXPECT_EQ(inference_error("%x: f32[1,8,8,3], %w: f32[3,3,3,8]",
                            "%y = Conv2D(%x, %w) {strides=[1,1,1,1], padding=\"FULL\"}"),
            "Conv2D 'y': padding is 'FULL', expected SAME, VALID or EXPLICIT");
  EXPECT_EQ(inference_error("%x: f32[1,3,8,8], %w: f32[3,3,3,8]",
                            "%y = Conv2D(%x, %w) {strides=[1,1,1,1], padding=\"SAME\", data_format=\"NCHW\"}"),
            "Conv2D 'y': data_format is NCHW, expected NHWC");
}

TEST(Convolution, SumsTheWindow) {
  EXPECT_TRUE(computes_expected(R"(
    %x = const f32[1,2,2,1] [1.0, 2.0, 3.0, 4.0]
    %w = const f32[3,3,1,2] ones
    %y = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %e = const f32[1,2,2,2] splat(10.0))"));
}

TEST(Convolution, EpilogueAddsBiasThenResidual) {
  EXPECT_TRUE(computes_expected(R"(
    %x = const f32[1,1,2,1] [1.0, -2.0]
    %w = const f32[1,1,1,2] [1.0, -1.0]
    %b = const f32[2] [0.5, 0.0]
    %r = const f32[1,1,2,2] [-1.0, 1.0, 1.0, 5.0]
    %y = Conv2D(%x, %w, %b, %r) {strides=[1,1,1,1], padding="SAME"} epilogue(bias=2, before=Relu, residual=3, after=Clip(0.0, 6.0))
    %e = const f32[1,1,2,2] [0.5, 1.0, 1.0, 6.0])"));
}

TEST(Pooling, PaddingTakesNoPart) {
  EXPECT_TRUE(computes_expected(R"(
    %x = const f32[1,2,2,1] [-1.0, -2.0, -3.0, -4.0]
    %y = AvgPool(%x) {ksize=[1,2,2,1], strides=[1,1,1,1], padding="SAME"}
    %e = const f32[1,2,2,1] [-2.5, -3.0, -3.5, -4.0])"));
  EXPECT_TRUE(computes_expected(R"(
    %x = const f32[1,2,2,1] [-1.0, -2.0, -3.0, -4.0]
    %y = MaxPool(%x) {ksize=[1,2,2,1], strides=[1,1,1,1], padding="SAME"}
    %e = const f32[1,2,2,1] [-1.0, -2.0, -3.0, -4.0])"));
}

}  // namespace
}  // namespace tfengine
