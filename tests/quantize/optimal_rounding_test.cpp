// SPDX-License-Identifier: Apache-2.0
// Moments are those of the patches that a layer's weights meet, and rounding by them makes the layer's error small.
#include "quantize/optimal_rounding.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quantize/random_data.h"
#include "quantize/rewrite_testing.h"

namespace tfengine::quantize {
namespace {

void add_outer(const float* rows, int64_t count, int64_t n, float* matrix) {
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j <= i; ++j) matrix[i * n + j] += rows[r * n + i] * rows[r * n + j];
    }
  }
}

struct Case {
  const char* name;
  const char* input;
  const char* weights;  // shape
  const char* node;
};

const Case kCases[] = {
    {"conv", "1,7,8,3", "3,3,3,4", R"(Conv2D(%x, %w) {strides=[1,2,1,1], padding="SAME"})"},
    {"dilated", "1,9,9,2", "3,2,2,4", R"(Conv2D(%x, %w) {strides=[1,1,1,1], dilations=[1,2,2,1], padding="VALID"})"},
    {"grouped", "1,6,6,6", "3,3,2,9", R"(Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"})"},
    {"depthwise", "1,6,5,4", "3,3,4,2", R"(DepthwiseConv2dNative(%x, %w) {strides=[1,1,1,1], padding="SAME"})"},
    {"matmul", "20,6", "6,5", "MatMul(%x, %w)"},
    {"transposed", "20,6", "5,6", "MatMul(%x, %w) {transpose_b=true}"},
};

ir::Graph graph_of_case(const Case& c) {
  ir::Graph graph = ir::parse(std::string("graph @g(%x: f32[") + c.input + "]) {\n  %w = const f32[" + c.weights +
                              "] uniform(3, -1.0, 1.0)\n  %y = " + c.node + "\n  return %y\n}");
  ops::infer_graph(graph);
  return graph;
}

class Moments : public testing::TestWithParam<Case> {
 protected:
  Moments() : graph_(graph_of_case(GetParam())), node_(graph_.node(graph_.value(graph_.find_value("y")).producer)) {
    const Shape& shape = graph_.value(graph_.inputs[0]).shape;
    Rng rng(5);
    // Correlated: a common part in all channels, as images have.
    std::vector<float> values = normal(rng, static_cast<size_t>(shape.elements()));
    for (size_t i = 0; i < values.size(); ++i) values[i] = 0.3f * values[i] + values[i / 8 * 8] + 1.0f;
    x_ = Tensor::of(DType::F32, shape, values);
  }

  InputMoments moments() const {
    const Shape& shape = x_.shape();
    const WeightLayout layout = *weight_layout(node_, weights().shape(), shape.back());
    InputMoments moments(layout);
    const bool matrix = node_.op == "MatMul";
    const int64_t height = matrix ? 1 : shape[1], width = matrix ? shape[0] : shape[2];
    ops::Window window;
    window.out_h = height;
    window.out_w = width;
    if (!matrix) window = ops::conv_window(node_, height, width, layout.taps_h, layout.taps_w);
    moments.add_sample({x_.as<float>(), height, width, shape.back()}, window, add_outer);
    return moments;
  }

  // The layer's results with other weights.
  std::vector<float> results(const Tensor& weights) const {
    const std::vector<Tensor> inputs = {x_, weights};
    const Tensor y = ops::require_op(node_).evaluate(node_, inputs)[0];
    return {y.as<float>(), y.as<float>() + y.elements()};
  }

  const Tensor& weights() const { return graph_.input_value(node_, 1).constant; }

  ir::Graph graph_;
  const ir::Node& node_;
  Tensor x_;
};

// A filter that is 1 at one weight of an output channel gives that element of every patch.
TEST_P(Moments, AreThoseOfThePatches) {
  const InputMoments found = moments();
  const WeightLayout& layout = found.layout();
  ASSERT_LE(found.count(), static_cast<uint64_t>(InputMoments::kPositionsPerSample));
  for (const InputMoments::Block& block : found.blocks()) {
    const int64_t output = block.group * layout.group_outputs();
    std::vector<std::vector<float>> patches;
    for (int64_t row = 0; row < layout.rows(); ++row) {
      Tensor one(DType::F32, weights().shape());
      std::fill_n(one.mutable_as<float>(), one.elements(), 0.0f);
      one.mutable_as<float>()[layout.at(row, output)] = 1.0f;
      const std::vector<float> all = results(one);
      std::vector<float> of_output;
      for (size_t i = static_cast<size_t>(output); i < all.size(); i += static_cast<size_t>(layout.outputs)) {
        of_output.push_back(all[i]);
      }
      patches.push_back(of_output);
    }
    ASSERT_EQ(found.count(), patches[0].size());  // few enough to take all
    const int64_t n = found.order(block);
    ASSERT_EQ(n, layout.rows());
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j <= i; ++j) {
        double wanted = 0.0;
        for (size_t p = 0; p < patches[0].size(); ++p) {
          wanted += static_cast<double>(patches[static_cast<size_t>(i)][p]) *
                    static_cast<double>(patches[static_cast<size_t>(j)][p]);
        }
        EXPECT_NEAR(block.sums[static_cast<size_t>(i * n + j)], wanted, 1e-3);
      }
    }
  }
}

TEST_P(Moments, RoundingByThemBringsResultsNearer) {
  const InputMoments found = moments();
  const QuantizedWeights nearest = quantize_weights(weights(), channel_axis(node_), WeightRange::Max, "w");
  const RoundingResult rounded = round_optimally(weights(), nearest, found, false);
  EXPECT_EQ(rounded.weights.quant, nearest.quant);
  const std::vector<float> wanted = results(weights());
  const auto error = [&](const QuantizedWeights& with) {
    const std::vector<float> got = results(ops::dequantize_tensor(with.tensor, with.quant));
    double sum = 0.0;
    for (size_t i = 0; i < got.size(); ++i) sum += std::pow(static_cast<double>(got[i] - wanted[i]), 2);
    return sum / static_cast<double>(found.count());
  };
  const double before = error(nearest), after = error(rounded.weights);
  EXPECT_LT(after, 0.7 * before);
  // What is said of it is the truth, but for the damping.
  EXPECT_NEAR(rounded.error_nearest, before, 0.1 * before);
  EXPECT_NEAR(rounded.error_optimal, after, 0.1 * before);
}

INSTANTIATE_TEST_SUITE_P(Ops, Moments, testing::ValuesIn(kCases), [](const auto& info) { return info.param.name; });

WeightLayout matrix(int64_t inputs, int64_t outputs) {
  WeightLayout layout;
  layout.inputs = inputs;
  layout.outputs = outputs;
  return layout;
}

InputMoments moments_of(const std::vector<float>& rows, int64_t inputs, int64_t outputs) {
  InputMoments moments(matrix(inputs, outputs));
  ops::Window window;
  window.out_h = 1;
  window.out_w = static_cast<int64_t>(rows.size()) / inputs;
  moments.add_sample({rows.data(), 1, window.out_w, inputs}, window, add_outer);
  return moments;
}

TEST(OptimalRounding, OfIndependentInputsIsToNearest) {
  constexpr int64_t kInputs = 16, kOutputs = 70;
  std::vector<float> rows(kInputs * kInputs, 0.0f);
  for (size_t i = 0; i < kInputs; ++i) rows[i * kInputs + i] = 1.0f + static_cast<float>(i);
  Rng rng(8);
  const Tensor weights = Tensor::of(DType::F32, {kInputs, kOutputs}, normal(rng, kInputs * kOutputs));
  const QuantizedWeights nearest = quantize_weights(weights, {1}, WeightRange::Max, "w");
  const RoundingResult rounded = round_optimally(weights, nearest, moments_of(rows, kInputs, kOutputs), false);
  for (int64_t i = 0; i < weights.elements(); ++i) {
    ASSERT_EQ(rounded.weights.tensor.as<int8_t>()[i], nearest.tensor.as<int8_t>()[i]);
  }
  EXPECT_DOUBLE_EQ(rounded.error_optimal, rounded.error_nearest);
}

// Two inputs that are always equal: only the sum of the two weights counts, and it is met to half a step.
TEST(OptimalRounding, ErrorsOfEqualInputsCancel) {
  const Tensor weights = Tensor::of(DType::F32, {3, 1}, std::vector<float>{12.7f, 1.04f, 2.04f});
  const QuantizedWeights nearest = quantize_weights(weights, {1}, WeightRange::Max, "w");
  ASSERT_FLOAT_EQ(nearest.quant.scales[0], 0.1f);
  const std::vector<float> rows = {0, 1, 1, 0, 2, 2, 0, 3, 3};
  const RoundingResult rounded = round_optimally(weights, nearest, moments_of(rows, 3, 1), false);
  const int8_t* q = rounded.weights.tensor.as<int8_t>();
  EXPECT_EQ(nearest.tensor.as<int8_t>()[1] + nearest.tensor.as<int8_t>()[2], 30);
  EXPECT_EQ(q[1] + q[2], 31);  // 3.08
  EXPECT_EQ(q[0], 127);
}

TEST(OptimalRounding, CentredMomentsLeaveTheMeanToTheBias) {
  constexpr int64_t kInputs = 8;
  Rng rng(9);
  std::vector<float> rows = normal(rng, 60 * kInputs, 0.01f);
  for (float& x : rows) x += 5.0f;  // nothing but the mean, nearly
  const Tensor weights = Tensor::of(DType::F32, {kInputs, 4}, normal(rng, kInputs * 4));
  const QuantizedWeights nearest = quantize_weights(weights, {1}, WeightRange::Max, "w");
  const InputMoments moments = moments_of(rows, kInputs, 4);
  EXPECT_LT(round_optimally(weights, nearest, moments, true).error_nearest,
            1e-3 * round_optimally(weights, nearest, moments, false).error_nearest);
}

TEST(OptimalRounding, ManyInputsAreRoundedInBlocks) {
  const int64_t inputs = InputMoments::kMaxOrder + 100;
  const InputMoments moments(matrix(inputs, 2));
  ASSERT_EQ(moments.blocks().size(), 2u);
  EXPECT_EQ(moments.blocks()[1].first, moments.blocks()[0].inputs);
  EXPECT_EQ(moments.blocks()[0].inputs + moments.blocks()[1].inputs, inputs);
  EXPECT_LE(InputMoments::bytes(matrix(inputs, 2)), 2u * 4u * InputMoments::kMaxOrder * InputMoments::kMaxOrder);
  Rng rng(10);
  const Tensor weights = Tensor::of(DType::F32, {inputs, 2}, normal(rng, static_cast<size_t>(inputs * 2)));
  const QuantizedWeights nearest = quantize_weights(weights, {1}, WeightRange::Max, "w");
  const RoundingResult rounded =
      round_optimally(weights, nearest, moments_of(normal(rng, static_cast<size_t>(inputs * 64)), inputs, 2), false);
  EXPECT_LT(rounded.error_optimal, rounded.error_nearest);
}

}  // namespace
}  // namespace tfengine::quantize
