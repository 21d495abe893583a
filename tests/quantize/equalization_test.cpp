// SPDX-License-Identifier: Apache-2.0
// Equalization changes no result in float, and saves channels that a common grid would lose.
#include "quantize/equalization.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quantize/metrics.h"
#include "quantize/random_data.h"
#include "quantize/rewrite_testing.h"

namespace tfengine::quantize {
namespace {

constexpr const char* kWeights = R"(
  %w1 = const f32[3,3,4,6] uniform(1, -1.0, 1.0)
  %b1 = const f32[6] uniform(2, -1.0, 1.0)
  %w2 = const f32[1,1,6,5] uniform(3, -1.0, 1.0)
  %d2 = const f32[3,3,6,2] uniform(4, -1.0, 1.0)
  %g2 = const f32[1,1,3,4] uniform(5, -1.0, 1.0)
  %m1 = const f32[4,6] uniform(6, -1.0, 1.0)
  %m2 = const f32[5,6] uniform(7, -1.0, 1.0)
  %s3 = const s32[3] [2, 15, 4]
  %s2 = const s32[2] [30, 4]
  %mix = const s32[2] [75, 4]
  %keep = const s32[2] [50, 6]
  %m6 = const f32[6,3] uniform(10, -1.0, 1.0)
  %gamma = const f32[4] uniform(8, 0.5, 1.5)
  %beta = const f32[4] uniform(9, -1.0, 1.0)
)";

ir::Graph net(const std::string& body, bool matrix = false) {
  ir::Graph graph =
      ir::parse(std::string("graph @g(%x: f32[") + (matrix ? "30,4" : "2,5,5,4") + "]) {\n" + kWeights + body + "\n}");
  ops::infer_graph(graph);
  return graph;
}

std::vector<std::string> names(const ir::Graph& graph) {
  std::vector<std::string> result;
  for (const ir::ValueId id : equalizable(graph)) result.push_back(graph.value(id).name);
  return result;
}

Tensor input_of(const ir::Graph& graph) {
  Rng rng(3);
  const Shape& shape = graph.value(graph.inputs[0]).shape;
  return Tensor::of(DType::F32, shape, normal(rng, static_cast<size_t>(shape.elements())));
}

Tensor result_of(const ir::Graph& graph, const Tensor& x) {
  return ops::evaluate_graph(graph, std::vector<Tensor>{x})[0];
}

struct Case {
  const char* name;
  bool matrix;
  const char* body;
};
const Case kExact[] = {
    {"conv_relu_conv", false,
     "  %h = Conv2D(%x, %w1, %b1) " CONV " epilogue(bias=2, after=Relu)\n  %y = Conv2D(%h, %w2) " CONV "\n  return %y"},
    {"before_depthwise", false,
     "  %h = Conv2D(%x, %w1, %b1) " CONV " epilogue(bias=2, after=LeakyRelu(0.3))\n"
     "  %y = DepthwiseConv2dNative(%h, %d2) " CONV "\n  return %y"},
    {"before_grouped", false, "  %h = Conv2D(%x, %w1) " CONV "\n  %y = Conv2D(%h, %g2) " CONV "\n  return %y"},
    {"two_readers", false,
     "  %h = Conv2D(%x, %w1) " CONV " epilogue(before=Relu)\n  %y = Conv2D(%h, %w2) " CONV
     "\n  %z = DepthwiseConv2dNative(%h, %d2) " CONV "\n  return %y, %z"},
    {"relu6", false,
     "  %h = Conv2D(%x, %w1) " CONV " epilogue(after=Clip(0.0, 600.0))\n  %y = Conv2D(%h, %w2) " CONV "\n  return %y"},
    {"matmul", true,
     "  %h = MatMul(%x, %m1, %b1) epilogue(bias=2)\n  %y = MatMul(%h, %m2) {transpose_b=true}\n  return %y"},
    {"layer_norm", true, "  %h = LayerNorm(%x, %gamma, %beta) {epsilon=0.001}\n  %y = MatMul(%h, %m1)\n  return %y"},
    // As exporters write the layers of a sequence.
    {"behind_reshapes", true,
     "  %h = LayerNorm(%x, %gamma, %beta) {epsilon=0.001}\n  %r = Reshape(%h, %s3)\n  %f = Reshape(%r, %s2)\n"
     "  %q = MatMul(%f, %m1)\n  %k = MatMul(%h, %m1)\n  %y = Add(%q, %k)\n  return %y"},
};

class Equalization : public testing::TestWithParam<Case> {};

TEST_P(Equalization, ComputesTheSame) {
  ir::Graph graph = net(GetParam().body, GetParam().matrix);
  ASSERT_EQ(names(graph), Strings{"h"});
  const auto channels = static_cast<size_t>(graph.value(graph.find_value("h")).shape.back());
  std::vector<float> factors(channels);
  for (size_t c = 0; c < channels; ++c) factors[c] = 1.0f / static_cast<float>(1 + 3 * c);
  const Tensor x = input_of(graph);
  const Tensor before = result_of(graph, x);
  equalize(graph, {{"h", factors}, {"absent", factors}});
  ir::verify(graph);
  const Tensor after = result_of(graph, x);
  for (int64_t i = 0; i < before.elements(); ++i) EXPECT_NEAR(before.as<float>()[i], after.as<float>()[i], 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Nets, Equalization, testing::ValuesIn(kExact),
                         [](const auto& info) { return info.param.name; });

TEST(Equalizable, IsNothingThatOthersReadOrThatBends) {
  const char* bodies[] = {
      // The result leaves the graph.
      "  %h = Conv2D(%x, %w1) " CONV "\n  %y = Conv2D(%h, %w2) " CONV "\n  return %y, %h",
      // Swish is not homogeneous.
      "  %h = Conv2D(%x, %w1) " CONV " epilogue(after=Swish)\n  %y = Conv2D(%h, %w2) " CONV "\n  return %y",
      // An addition reads it, too.
      "  %h = Conv2D(%x, %w1) " CONV "\n  %y = Conv2D(%h, %w2) " CONV "\n  %z = Neg(%h)\n  return %y, %z",
      // Channels are mixed by a reshape, and a reshape of it leaves the graph.
      "  %h = Conv2D(%x, %w1) " CONV "\n  %r = Reshape(%h, %mix)\n  %y = MatMul(%r, %m1)\n  return %y",
      "  %h = Conv2D(%x, %w1) " CONV "\n  %r = Reshape(%h, %keep)\n  %y = MatMul(%r, %m6)\n  return %y, %r",
      // Its producer is the graph's input.
      "  %y = Conv2D(%x, %w1) " CONV "\n  return %y",
  };
  for (const char* body : bodies) EXPECT_EQ(names(net(body)), Strings{}) << body;
}

std::vector<ChannelExtent> extents_of(const ir::Graph& graph, const char* name, const Tensor& x) {
  ir::Graph part = graph;
  part.outputs = {{name, part.find_value(name)}};
  const Tensor values = result_of(part, x);
  std::vector<ChannelExtent> extents(static_cast<size_t>(values.shape().back()));
  const auto pixels = static_cast<float>(values.elements()) / static_cast<float>(extents.size());
  for (int64_t i = 0; i < values.elements(); ++i) {
    ChannelExtent& extent = extents[static_cast<size_t>(i) % extents.size()];
    const float v = values.as<float>()[i];
    extent.max_abs = std::max(extent.max_abs, std::abs(v));
    extent.mean_square += v * v / pixels;
  }
  return extents;
}

double noise_db(const ir::Graph& graph, const Tensor& x) {
  float range = 0.0f;
  for (const ChannelExtent& extent : extents_of(graph, "h", x)) range = std::max(range, extent.max_abs);
  const RewriteResult int8 = rewrite_to_int8(graph, table_of({{"x", 4.0f}, {"h", range}}), {});
  return signal_to_noise_db(result_of(graph, x), result_of(int8.graph, x));
}

// Channels of h spread by a factor of 1000, which y's weights take back.
TEST(EqualizationOf, SpreadChannelsBringsThemBack) {
  ir::Graph graph = net("  %h = Conv2D(%x, %w1) " CONV
                        " epilogue(after=Relu)\n  %y = DepthwiseConv2dNative(%h, %d2) " CONV "\n  return %y");
  const Tensor x = input_of(graph);
  const double even = noise_db(graph, x);
  equalize(graph, {{"h", {1.0f, 1.0f / 4, 1.0f / 16, 1.0f / 64, 1.0f / 256, 1.0f / 1000}}});
  const double spread = noise_db(graph, x);
  ASSERT_LT(spread, even - 10);
  equalize(graph, {{"h", choose_factors(graph, graph.find_value("h"), extents_of(graph, "h", x))}});
  EXPECT_GT(noise_db(graph, x), even - 4);
}

TEST(EqualizationOf, EvenChannelsChangesNothing) {
  const ir::Graph graph = net("  %h = Conv2D(%x, %w1) " CONV "\n  %y = Conv2D(%h, %w2) " CONV "\n  return %y");
  const std::vector<ChannelExtent> extents(6, {2.0f, 1.0f});
  const std::vector<float> factors = choose_factors(graph, graph.find_value("h"), extents);
  for (const float factor : factors) EXPECT_GT(factor, 0.25f);
  EXPECT_EQ(factors.size(), 6u);
}

TEST(EqualizationOf, ClippedChannelsNeverGrowBeyondTheClip) {
  const ir::Graph graph =
      net("  %h = Conv2D(%x, %w1) " CONV " epilogue(after=Clip(0.0, 6.0))\n  %y = DepthwiseConv2dNative(%h, %d2) " CONV
          "\n  return %y");
  const std::vector<ChannelExtent> extents = {{6, 4}, {3, 1}, {0.5f, 0.01f}, {0.006f, 1e-6f}, {0, 0}, {2, 1}};
  const std::vector<float> factors = choose_factors(graph, graph.find_value("h"), extents);
  for (size_t c = 0; c < extents.size(); ++c) EXPECT_LE(extents[c].max_abs / factors[c], 6.0f * 1.0001f) << c;
  EXPECT_EQ(factors[0], 1.0f);
  EXPECT_LT(factors[3], 0.02f);
}

}  // namespace
}  // namespace tfengine::quantize
