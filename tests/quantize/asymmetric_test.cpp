// SPDX-License-Identifier: Apache-2.0
// Grids with a zero point: which tensors get one, that every step on them is what an integer simulation gives, and what they
// gain.
#include "quantize/asymmetric.h"

#include <algorithm>
#include <cmath>

#include "quantize/metrics.h"
#include "quantize/rewrite_testing.h"

namespace tfengine::quantize {
namespace {

constexpr float kSwishLow = -0.2785f;

ir::Range range(float max_abs, float low, float high) {
  return ir::Range{max_abs, ir::RangeSource::Calibrated, "", low, high};
}

TEST(Asymmetric, IntervalsHoldZeroAndKeepToTheBound) {
  const auto interval = [](const ir::Range& of) { return std::pair(interval_of(of).low, interval_of(of).high); };
  EXPECT_EQ(interval(range(6.0f, kSwishLow, 8.0f)), std::pair(kSwishLow, 6.0f));
  EXPECT_EQ(interval(range(6.0f, -9.0f, -1.0f)), std::pair(-6.0f, 0.0f));
  EXPECT_EQ(interval(range(6.0f, 2.0f, 4.0f)), std::pair(0.0f, 4.0f));
  EXPECT_EQ(interval(ir::Range{.max_abs = 6.0f, .origin = {}}), std::pair(-6.0f, 6.0f));
}

TEST(Asymmetric, OneSidedValuesAreLopsided) {
  EXPECT_TRUE(is_lopsided(range(6.0f, kSwishLow, 6.0f)));
  EXPECT_TRUE(is_lopsided(range(6.0f, -6.0f, 0.5f)));
  EXPECT_FALSE(is_lopsided(range(6.0f, -4.0f, 6.0f)));
  EXPECT_FALSE(is_lopsided(ir::Range{.max_abs = 6.0f, .origin = {}}));
  EXPECT_FALSE(is_lopsided(range(0.0f, 0.0f, 0.0f)));
  EXPECT_EQ(asymmetric_levels(range(6.0f, 0.0f, 6.0f)), 255);
  EXPECT_EQ(asymmetric_levels(range(6.0f, -2.0f, 6.0f)), 191);
}

RangeTable table_with(std::initializer_list<std::pair<const char*, ir::Range>> ranges) {
  RangeTable table;
  for (const auto& [name, of] : ranges) table.set(name, {of.max_abs, of.source, false, "mse", of.low, of.high});
  return table;
}

RewriteOptions asymmetric() {
  RewriteOptions options;
  options.asymmetric = true;
  return options;
}

const ir::Quant& quant_of(const ir::Graph& graph, std::string_view name) {
  return graph.value(graph.find_value(name)).quant;
}

// A depthwise convolution with padding between two others, as in MobileNets; swish in between.
const char* const kBlock = R"(
  %a = Conv2D(%x, %w, %b) {strides=[1,1,1,1], padding="SAME"} epilogue(bias=2, after=Swish)
  %d = DepthwiseConv2dNative(%a, %dw, %b) {strides=[1,1,1,1], padding="SAME"} epilogue(bias=2, after=Swish)
  %y = Conv2D(%d, %w) {strides=[1,1,1,1], padding="SAME"}
  return %y
)";

RangeTable block_table() {
  return table_with(
      {{"x", range(1.0f, -1.0f, 1.0f)}, {"a", range(1.5f, kSwishLow, 1.5f)}, {"d", range(2.0f, kSwishLow, 2.0f)}});
}

TEST(Asymmetric, SwishGetsAZeroPoint) {
  const RewriteResult result = rewrite_to_int8(graph_of(kBlock), block_table(), asymmetric());
  ir::verify(result.graph);
  const ir::Quant& a = quant_of(result.graph, "a");
  EXPECT_EQ(result.graph.value(result.graph.find_value("a")).dtype, DType::U8);
  EXPECT_FLOAT_EQ(a.scales[0], (1.5f - kSwishLow) / 255.0f);
  EXPECT_EQ(a.zero_point, 40);  // 0.2785 in steps of 0.0069745: 39.93
  EXPECT_EQ(quant_of(result.graph, "x/int8").zero_point, 0);
  EXPECT_NE(tensor_text(result, "a").find("unsigned grid of scale 0.00697451 and zero point 40, range 1.5"),
            std::string::npos)
      << tensor_text(result, "a");
}

TEST(Asymmetric, AreOptedInAndNeverForTensorRt) {
  RewriteOptions tensorrt = asymmetric();
  tensorrt.grid = Int8Grid::TensorRT;
  for (const RewriteOptions& options : {RewriteOptions{}, tensorrt}) {
    const ir::Graph graph = rewrite_to_int8(graph_of(kBlock), block_table(), options).graph;
    EXPECT_EQ(quant_of(graph, "a").zero_point, 0);
    EXPECT_FLOAT_EQ(quant_of(graph, "a").scales[0], 1.5f / 127.0f);
  }
}

TEST(Asymmetric, ARefusalOfAReaderOrMakerKeepsTheGridSymmetric) {
  for (const auto& [node, input] : {std::pair("d", 0), std::pair("a", ir::kNone)}) {
    RewriteOptions options = asymmetric();
    options.zero_point_ok = [node = node, input = input](const ir::Graph&, const ir::Node& asked, int index) {
      return asked.name == node && index == input ? std::optional(Refusal{"no"}) : std::nullopt;
    };
    const ir::Graph graph = rewrite_to_int8(graph_of(kBlock), block_table(), options).graph;
    EXPECT_EQ(quant_of(graph, "a").zero_point, 0) << node;
    EXPECT_NE(quant_of(graph, "d").zero_point, 0) << node;
  }
}

TEST(Asymmetric, GivenRangesStaySymmetric) {
  RangeTable table = block_table();
  table.set("a", {1.5f, ir::RangeSource::Custom, false, "fq"});
  EXPECT_EQ(quant_of(rewrite_to_int8(graph_of(kBlock), table, asymmetric()).graph, "a").zero_point, 0);
}

TEST(Asymmetric, JoinedTensorsShareTheWidestInterval) {
  const ir::Graph graph = graph_of(R"(
    %a = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"} epilogue(after=Swish)
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"} epilogue(after=Swish)
    %joined = ConcatV2(%a, %c, %axis)
    %y = Conv2D(%joined, %w2) {strides=[1,1,1,1], padding="SAME"}
    return %y
  )");
  const RangeTable table =
      table_with({{"x", range(1.0f, -1.0f, 1.0f)}, {"a", range(2.0f, -0.1f, 2.0f)}, {"c", range(1.0f, -0.25f, 1.0f)}});
  const ir::Graph int8 = rewrite_to_int8(graph, table, asymmetric()).graph;
  for (const char* name : {"a", "c", "joined"}) {
    EXPECT_FLOAT_EQ(quant_of(int8, name).scales[0], 2.25f / 255.0f) << name;
    EXPECT_EQ(quant_of(int8, name).zero_point, 28) << name;
  }
}

float swish(float x) { return x / (1.0f + std::exp(-x)); }

// scale = (high - low) / 255, integers round(x / scale) + zero point; padding holds the zero point.
TEST(Asymmetric, AnIntegerSimulationGivesTheSame) {
  RewriteResult result = rewrite_to_int8(graph_of(kBlock), block_table(), asymmetric());
  const ir::Graph& graph = result.graph;
  result.graph.outputs = {
      {"x", graph.find_value("x/int8")}, {"a", graph.find_value("a")}, {"d", graph.find_value("d")}};
  std::vector<float> values(64);
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(0.7f * static_cast<float>(i));
  const Tensor x = Tensor::of(DType::F32, {1, 4, 4, 4}, values);
  const std::vector<Tensor> got = ops::evaluate_graph(graph, std::vector<Tensor>{x});
  const auto integers_of = [&](const char* name) { return graph.value(graph.find_value(name)).constant; };
  const ir::Quant qx = quant_of(graph, "x/int8"), qa = quant_of(graph, "a"), qd = quant_of(graph, "d");
  const float* bias = integers_of("b").as<float>();

  const Tensor w = integers_of("w/int8"), dw = integers_of("dw/int8");
  const auto& w_scales = quant_of(graph, "w/int8").scales;
  const auto& dw_scales = quant_of(graph, "dw/int8").scales;
  const auto store = [](float real, const ir::Quant& grid) {
    const float steps = std::nearbyint(real / grid.scales[0]) + static_cast<float>(grid.zero_point);
    return static_cast<int>(std::clamp(steps, 0.0f, 255.0f));
  };
  std::vector<int> a(64);
  for (int pixel = 0; pixel < 16; ++pixel) {
    for (int out = 0; out < 4; ++out) {
      int sum = 0;
      for (int in = 0; in < 4; ++in) sum += got[0].as<int8_t>()[pixel * 4 + in] * w.as<int8_t>()[in * 4 + out];
      const auto c = static_cast<size_t>(out);
      a[static_cast<size_t>(pixel * 4 + out)] =
          store(swish(static_cast<float>(sum) * qx.scales[0] * w_scales[c] + bias[out]), qa);
    }
  }
  for (int i = 0; i < 64; ++i) EXPECT_LE(std::abs(a[static_cast<size_t>(i)] - got[1].as<uint8_t>()[i]), 1) << i;
  for (int y = 0; y < 4; ++y) {
    for (int x0 = 0; x0 < 4; ++x0) {
      for (int c = 0; c < 4; ++c) {
        int sum = 0;
        for (int ky = 0; ky < 3; ++ky) {
          for (int kx = 0; kx < 3; ++kx) {
            const int row = y + ky - 1, column = x0 + kx - 1;
            const bool inside = row >= 0 && row < 4 && column >= 0 && column < 4;
            const int q = inside ? got[1].as<uint8_t>()[(row * 4 + column) * 4 + c] : qa.zero_point;
            sum += (q - qa.zero_point) * dw.as<int8_t>()[(ky * 3 + kx) * 4 + c];
          }
        }
        const float real = static_cast<float>(sum) * qa.scales[0] * dw_scales[static_cast<size_t>(c)] + bias[c];
        EXPECT_LE(std::abs(store(swish(real), qd) - got[2].as<uint8_t>()[(y * 4 + x0) * 4 + c]), 1);
      }
    }
  }
}

TEST(Asymmetric, TheNoiseOfSwishIsLess) {
  const ir::Graph graph = graph_of(kBlock);
  std::vector<Tensor> samples;
  for (size_t sample = 0; sample < 20; ++sample) {
    std::vector<float> values(64);
    for (size_t i = 0; i < 64; ++i) values[i] = 3.0f * std::sin(static_cast<float>(i * 37 + sample * 11));
    samples.push_back(Tensor::of(DType::F32, {1, 4, 4, 4}, values));
  }
  struct Seen {
    const ir::Graph& graph;
    HistogramSet set;
  } seen{graph, {}};
  for (const Tensor& sample : samples) {
    ops::evaluate_graph(
        graph, std::vector<Tensor>{sample},
        [](void* state, ir::ValueId id, const Tensor& tensor) {
          auto& [of, set] = *static_cast<Seen*>(state);
          if (of.value(id).is_constant()) return;
          set.tensors[of.value(id).name].add(tensor.as<float>(), static_cast<size_t>(tensor.elements()));
        },
        &seen);
  }
  const auto decibels_of = [&](const RewriteOptions& options) {
    const RangeTable table = solve_ranges(seen.set, {"minmax"}, {}, options.asymmetric).table;
    const ir::Graph int8 = rewrite_to_int8(graph, table, options).graph;
    double signal = 0.0, noise = 0.0;
    for (const Tensor& sample : samples) {
      const Tensor wanted = ops::evaluate_graph(graph, std::vector<Tensor>{sample})[0];
      const Tensor got = ops::evaluate_graph(int8, std::vector<Tensor>{sample})[0];
      for (int64_t i = 0; i < wanted.elements(); ++i) {
        signal += std::pow(static_cast<double>(wanted.as<float>()[i]), 2);
        noise += std::pow(static_cast<double>(wanted.as<float>()[i]) - static_cast<double>(got.as<float>()[i]), 2);
      }
    }
    return decibels(signal, noise);
  };
  // Weights and input, whose grids are as before, have their share of the noise.
  EXPECT_GT(decibels_of(asymmetric()), decibels_of({}) + 1.0);
}

}  // namespace
}  // namespace tfengine::quantize
