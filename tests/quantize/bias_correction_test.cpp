// SPDX-License-Identifier: Apache-2.0
// Channel sums merge exactly, and the corrected bias makes the mean of an INT8 layer that of the float one.
#include "quantize/bias_correction.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "quantize/random_data.h"
#include "quantize/rewrite_testing.h"

namespace tfengine::quantize {
namespace {

std::vector<float> uniform(Rng& rng, size_t n, float low, float high) {
  std::uniform_real_distribution<float> values(low, high);
  std::vector<float> result(n);
  for (float& x : result) x = values(rng);
  return result;
}

TEST(ChannelSums, AreMeansByChannelWhateverTheOrder) {
  Rng rng(7);
  ChannelSums forwards, backwards, left, right;
  std::vector<std::vector<float>> samples;
  for (int n = 0; n < 9; ++n) samples.push_back(uniform(rng, 49 * 3, -2.0f, 5.0f));
  double first = 0.0;
  for (size_t n = 0; n < samples.size(); ++n) {
    forwards.add_sample(samples[n].data(), 49, 3, 3);
    backwards.add_sample(samples[samples.size() - 1 - n].data(), 49, 3, 3);
    (n < 4 ? left : right).add_sample(samples[n].data(), 49, 3, 3);
    for (size_t i = 0; i < samples[n].size(); i += 3) first += static_cast<double>(samples[n][i]);
  }
  EXPECT_EQ(forwards, backwards);
  right.merge(left);
  EXPECT_EQ(forwards, right);
  ASSERT_EQ(forwards.means().size(), 3u);
  EXPECT_NEAR(forwards.means()[0], first / (9 * 49), 1e-5);
}

TEST(ChannelSums, ReadsSlicesOfWiderTensors) {
  const std::vector<float> wide = {1, 2, 100, 3, 4, 100};
  ChannelSums sums;
  sums.add_sample(wide.data(), 2, 2, 3);
  EXPECT_EQ(sums.means(), (std::vector<float>{2, 3}));
}

TEST(ChannelSums, LooksAtSomeRowsOfLargeImages) {
  // A picture whose columns differ: rows taken by a fixed step of its width would see one column alone.
  constexpr int64_t kSide = 256;
  std::vector<float> image(kSide * kSide);
  for (int64_t i = 0; i < kSide * kSide; ++i) image[static_cast<size_t>(i)] = static_cast<float>(i % kSide) / kSide;
  ChannelSums sums;
  sums.add_sample(image.data(), kSide * kSide, 1, 1);
  EXPECT_LE(sums.rows(), static_cast<uint64_t>(ChannelSums::kRowsPerSample));
  EXPECT_NEAR(sums.means()[0], 0.5, 0.03);
}

TEST(ChannelSums, AreGivenUpWhereTheyMeanNothing) {
  const std::vector<float> good = {1, 2}, bad = {1, std::numeric_limits<float>::quiet_NaN()};
  for (const auto& values : {bad, std::vector<float>{1, 2, 3}}) {
    ChannelSums sums;
    sums.add_sample(good.data(), 1, 2, 2);
    sums.add_sample(values.data(), 1, static_cast<int64_t>(values.size()), 3);
    EXPECT_TRUE(sums.broken());
    EXPECT_TRUE(sums.means().empty());
    ChannelSums other;
    other.add_sample(good.data(), 1, 2, 2);
    other.merge(sums);
    EXPECT_TRUE(other.broken());
  }
}

// The float nets of the table end in `y`; the mean of INT8 results over inputs of known channel means has to be that of
// the float ones, far closer than without correction.
struct Case {
  const char* name;
  const char* body;
  const char* weights;
};

std::vector<double> channel_means(const Tensor& tensor) {
  const int64_t channels = tensor.shape().back();
  std::vector<double> means(static_cast<size_t>(channels), 0.0);
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    means[static_cast<size_t>(i % channels)] += static_cast<double>(tensor.as<float>()[i]);
  }
  for (double& mean : means) mean /= static_cast<double>(tensor.elements() / channels);
  return means;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

class BiasCorrection : public testing::TestWithParam<Case> {};

TEST_P(BiasCorrection, TakesBackTheMeanError) {
  const bool matrix = std::string(GetParam().name).find("matmul") != std::string::npos;
  const ir::Graph graph =
      graph_of(std::string(GetParam().weights) + GetParam().body, matrix ? "%x: f32[64,8]" : "%x: f32[16,6,6,8]");
  Rng rng(11);
  const Shape shape = matrix ? Shape{64, 8} : Shape{16, 6, 6, 8};
  // All channels lie on one side of zero: then the mean error is what there is to correct.
  const Tensor x = Tensor::of(DType::F32, shape, uniform(rng, static_cast<size_t>(shape.elements()), 0.5f, 1.0f));
  ASSERT_EQ(tensors_to_average(graph).size(), 1u);
  ChannelSums sums;
  sums.add_sample(x.as<float>(), shape.elements() / 8, 8, 8);
  const ChannelMeans means = {{"x", sums.means()}};
  RewriteOptions options;
  const std::vector<double> wanted = channel_means(ops::evaluate_graph(graph, std::vector<Tensor>{x})[0]);
  const auto error = [&](const ChannelMeans* with) {
    options.means = with;
    const RewriteResult result = rewritten(graph, {{"x", 1.0f}, {"y", 8.0f}}, options);
    EXPECT_EQ(result.report.corrected_biases, with == nullptr ? 0 : 1);
    return distance(channel_means(ops::evaluate_graph(result.graph, std::vector<Tensor>{x})[0]), wanted);
  };
  const double before = error(nullptr), after = error(&means);
  EXPECT_LT(after, 0.3 * before) << "before " << before;
}

const Case kCases[] = {
    {"conv", "  %y = Conv2D(%x, %v) " CONV "\n  return %y", "  %v = const f32[3,3,8,5] uniform(21, -1.0, 1.0)\n"},
    {"conv_with_bias", "  %y = Conv2D(%x, %v, %vb) " CONV " epilogue(bias=2)\n  return %y",
     "  %v = const f32[3,3,8,5] uniform(22, -1.0, 1.0)\n  %vb = const f32[5] uniform(23, -1.0, 1.0)\n"},
    {"grouped_conv", "  %y = Conv2D(%x, %v) " CONV "\n  return %y",
     "  %v = const f32[3,3,4,6] uniform(24, -1.0, 1.0)\n"},
    {"depthwise", "  %y = DepthwiseConv2dNative(%x, %v) " CONV "\n  return %y",
     "  %v = const f32[3,3,8,2] uniform(25, -1.0, 1.0)\n"},
    {"matmul", "  %y = MatMul(%x, %v)\n  return %y", "  %v = const f32[8,5] uniform(26, -1.0, 1.0)\n"},
    {"matmul_transposed", "  %y = MatMul(%x, %v) {transpose_b=true}\n  return %y",
     "  %v = const f32[5,8] uniform(27, -1.0, 1.0)\n"},
};
INSTANTIATE_TEST_SUITE_P(Ops, BiasCorrection, testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

TEST(BiasCorrectionOf, ASharedCacheChangesNothing) {
  const ir::Graph graph = graph_of("  %h = Conv2D(%x, %w) " CONV "\n  %y = Conv2D(%h, %w) " CONV "\n  return %y");
  const ChannelMeans means = {{"x", std::vector<float>(4, 0.5f)}, {"h", std::vector<float>(4, 0.25f)}};
  RewriteCache cache;
  for (const std::string keep_float : {"", "y", "h", ""}) {
    RewriteOptions options;
    options.means = &means;
    options.keep_float = {keep_float};
    const RewriteResult plain = rewritten(graph, {{"x", 1.0f}, {"h", 4.0f}, {"y", 8.0f}}, options);
    options.cache = &cache;
    const RewriteResult cached = rewritten(graph, {{"x", 1.0f}, {"h", 4.0f}, {"y", 8.0f}}, options);
    EXPECT_EQ(ir::print(cached.graph), ir::print(plain.graph)) << "with '" << keep_float << "' in float";
    EXPECT_EQ(cached.report.corrected_biases, plain.report.corrected_biases);
  }
  EXPECT_FALSE(cache.bias_shifts.empty());
}

TEST(BiasCorrectionOf, MeansOfAnotherSizeChangesNothing) {
  const ir::Graph graph = graph_of("  %y = Conv2D(%x, %w) " CONV "\n  return %y");
  const ChannelMeans means = {{"x", {1.0f, 2.0f}}};
  RewriteOptions options;
  options.means = &means;
  EXPECT_EQ(rewritten(graph, {{"x", 1.0f}}, options).report.corrected_biases, 0);
}

}  // namespace
}  // namespace tfengine::quantize
