// SPDX-License-Identifier: Apache-2.0
// INT8 as evaluate_node defines it, and the rules as data.
#include <gtest/gtest.h>

#include "ir/parser.h"
#include "ops/op.h"
#include "support/compare.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

using testing::tensors_near;

TEST(Quantization, RoundsHalfToEvenAndSaturates) {
  const Tensor real = Tensor::of<float>(DType::F32, {6}, {0.25f, 0.75f, -0.75f, 100.0f, -100.0f, 0.5f});
  const Tensor s8 = ops::quantize_tensor(real, DType::S8, {{0.5f}});
  EXPECT_TRUE(tensors_near(Tensor::of<int8_t>(DType::S8, {6}, {0, 2, -2, 127, -128, 1}), s8, 0));
  const Tensor u8 = ops::quantize_tensor(real, DType::U8, {{0.5f}});
  EXPECT_TRUE(tensors_near(Tensor::of<uint8_t>(DType::U8, {6}, {0, 2, 0, 200, 0, 1}), u8, 0));
}

TEST(Quantization, ScalesRunAlongAnAxis) {
  const ir::Quant quant{{1.0f, 2.0f, 4.0f}, 1};
  const Tensor q = Tensor::of<int8_t>(DType::S8, {2, 3}, {1, 1, 1, 2, 2, 2});
  EXPECT_TRUE(
      tensors_near(Tensor::of<float>(DType::F32, {2, 3}, {1, 2, 4, 2, 4, 8}), ops::dequantize_tensor(q, quant), 0));
  // Depthwise weights [1,1,c=2,m=2] with a scale per output channel c * 2 + m.
  const ir::Quant depthwise{{1.0f, 2.0f, 3.0f, 4.0f}, 2};
  const Tensor w = Tensor::of<int8_t>(DType::S8, {1, 1, 2, 2}, {1, 1, 1, 1});
  EXPECT_TRUE(
      tensors_near(Tensor::of<float>(DType::F32, {1, 1, 2, 2}, {1, 2, 3, 4}), ops::dequantize_tensor(w, depthwise), 0));
  EXPECT_THROW(ops::dequantize_tensor(w, {{1.0f, 2.0f, 3.0f}, 2}), InternalError);
}

TEST(Quantization, AConvolutionStepIsRealArithmeticBetweenGrids) {
  ir::Graph graph = ir::parse(R"(graph @g(%x: f32[1,1,1,2]) {
    %q = Quantize(%x) -> u8[1,1,1,2] quant(scale=0.5)
    %w = const s8[1,1,2,2] [1, 2, 3, -4] quant(scales=[0.5, 0.25], axis=3)
    %b = const f32[2] [1.0, -1.0]
    %c = Conv2D(%q, %w, %b) {strides=[1,1,1,1], padding="SAME"} epilogue(bias=2, before=Relu) -> u8[1,1,1,2] quant(scale=0.1)
    %y = Dequantize(%c)
    return %y, %c })");
  ops::infer_graph(graph);
  const Tensor x = Tensor::of<float>(DType::F32, {1, 1, 1, 2}, {1.1f, 2.0f});
  const std::vector<Tensor> outputs = ops::evaluate_graph(graph, std::span(&x, 1));
  // x is 1.0, 2.0 on its grid: 1 * 0.5 + 2 * 1.5 + 1 = 4.5; 1 * 0.5 - 2 * 1 - 1 < 0.
  EXPECT_TRUE(tensors_near(Tensor::of<uint8_t>(DType::U8, {1, 1, 1, 2}, {45, 0}), outputs[1], 0));
  EXPECT_TRUE(tensors_near(Tensor::of<float>(DType::F32, {1, 1, 1, 2}, {4.5f, 0.0f}), outputs[0], 1e-6));
}

TEST(Int8Rules, SayWhereWeightsAre) {
  const auto axis = [](const char* op, bool transpose_b) {
    ir::Node node;
    node.op = op;
    if (transpose_b) node.attrs["transpose_b"] = true;
    return ops::weight_axis(ops::require_op(node), node);
  };
  EXPECT_EQ(axis("Conv2D", false), 3);
  EXPECT_EQ(axis("DepthwiseConv2dNative", false), 2);
  EXPECT_EQ(axis("MatMul", false), 1);
  EXPECT_EQ(axis("MatMul", true), 0);
}

// The rules that calibration and the INT8 rewrite rest on, one line each.
TEST(Int8Rules, AreAsDesigned) {
  using ops::Int8Kind;
  using ops::Sign;
  const struct {
    const char* op;
    Int8Kind kind;
    Sign sign;
  } rows[] = {
      {"Conv2D", Int8Kind::Compute, Sign::Any},
      {"MatMul", Int8Kind::Compute, Sign::Any},
      {"Add", Int8Kind::Elementwise, Sign::NonNegativeIfAll},
      {"Sub", Int8Kind::Elementwise, Sign::Any},
      {"Relu", Int8Kind::Elementwise, Sign::NonNegative},
      {"Swish", Int8Kind::Elementwise, Sign::Any},
      {"MaxPool", Int8Kind::Passes, Sign::NonNegativeIfAll},
      {"Pad", Int8Kind::Passes, Sign::NonNegativeIfAll},
      {"Transpose", Int8Kind::Passes, Sign::NonNegativeIfAll},
      {"ConcatV2", Int8Kind::Common, Sign::NonNegativeIfAll},
      {"AvgPool", Int8Kind::Average, Sign::NonNegativeIfAll},
      {"Mean", Int8Kind::Average, Sign::NonNegativeIfAll},
      {"Softmax", Int8Kind::Float, Sign::NonNegative},
      {"FusedBatchNormV3", Int8Kind::Float, Sign::Any},
  };
  for (const auto& row : rows) {
    const ops::Op* op = ops::find_op(row.op);
    ASSERT_NE(op, nullptr) << row.op;
    EXPECT_EQ(op->int8.kind, row.kind) << row.op;
    EXPECT_EQ(op->int8.sign, row.sign) << row.op;
  }
  EXPECT_EQ(ops::find_op("Softmax")->int8.fixed_max_abs, 1.0f);
  EXPECT_EQ(ops::find_op("Sigmoid")->int8.fixed_max_abs, 1.0f);
}

TEST(Registry, KnowsNamesAndAliases) {
  EXPECT_EQ(ops::find_op("AddV2"), ops::find_op("Add"));
  EXPECT_EQ(ops::find_op("FusedBatchNorm")->name, "FusedBatchNormV3");
  EXPECT_EQ(ops::find_op("Div")->name, "RealDiv");
  EXPECT_EQ(ops::find_op("NoSuchOp"), nullptr);
  for (const ops::Op& op : ops::all_ops()) {
    EXPECT_NE(op.infer, nullptr) << op.name;
    EXPECT_NE(op.evaluate, nullptr) << op.name;
    if (op.int8.kind == ops::Int8Kind::Compute) {
      EXPECT_GE(op.int8.weight_axis, 0) << op.name;
    }
  }
}

}  // namespace
}  // namespace tfengine
