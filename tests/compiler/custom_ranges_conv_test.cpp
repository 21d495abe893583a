// SPDX-License-Identifier: Apache-2.0
// Ranges that a graph gives, behind convolutions, on signed and unsigned grids, against arithmetic on integers written out here.
#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>

#include "custom_ranges.h"

namespace tfengine {
namespace {

constexpr int64_t kImages = 2, kSide = 5, kChannels = 3, kWindow = 3;

struct Case {
  const char* name;
  bool depthwise;
  bool non_negative;  // relu in front and behind: unsigned on the grid "auto"
  std::string grid;
  bool is_unsigned() const { return non_negative && grid == "auto"; }
  int64_t results() const { return depthwise ? kChannels * 2 : 4; }
};

// x -> (relu) -> range -> convolution -> bias -> (relu) -> range -> a convolution with the identity, which shows the integers.
std::string network(const Case& c, const std::string& op, float input_range, float sum_range) {
  const int64_t results = c.results();
  std::string eye;
  for (int64_t i = 0; i < results * results; ++i) {
    eye += (i == 0 ? "" : ", ") + number(i / results == i % results ? 1.0f : 0.0f);
  }
  const auto relu = [&](const std::string& out, const std::string& in) {
    return fmt::format("%{} = {}(%{})\n", out, c.non_negative ? "Relu" : "Identity", in);
  };
  return "graph @g(%x: f32[2,5,5,3]) {\n" +
         fmt::format("%w = const f32[3,3,3,{}] uniform(1, -1.0, 1.0)\n", c.depthwise ? 2 : results) +
         fmt::format("%b = const f32[{}] uniform(2, -0.5, 0.5)\n", results) +
         fmt::format("%eye = const f32[1,1,{0},{0}] [{1}]\n", results, eye) + relu("rx", "x") +
         quantizer(op, "qx", "rx", -input_range, input_range * 0.75f, kChannels) +
         fmt::format("%m = {}(%qx, %w) {{strides=[1,1,1,1], padding=\"SAME\"}}\n",
                     c.depthwise ? "DepthwiseConv2dNative" : "Conv2D") +
         "%s = BiasAdd(%m, %b)\n" + relu("rs", "s") + quantizer(op, "qs", "rs", -sum_range, sum_range / 2, results) +
         "%y = Conv2D(%qs, %eye) {strides=[1,1,1,1], padding=\"SAME\"}\nreturn %y\n}";
}

class Simulation {
 public:
  Simulation(const Case& c, const std::string& text, const Tensor& x, float input_range, float sum_range)
      : case_(c), graph_(ir::parse(text)), x_(x) {
    const float steps = c.is_unsigned() ? 255.0f : 127.0f;
    input_scale_ = input_range / steps;
    sum_scale_ = sum_range / steps;
  }

  std::vector<float> run() const {
    const auto* bias = graph_.value(graph_.find_value("b")).constant.as<float>();
    std::vector<float> result;
    for (int64_t at = 0; at < kImages * kSide * kSide; ++at) {
      for (int64_t out = 0; out < case_.results(); ++out) {
        const float weight_scale = widest(out) / 127;
        const float real = static_cast<float>(sum(at, out, weight_scale)) * input_scale_ * weight_scale + bias[out];
        result.push_back(static_cast<float>(integer(real, sum_scale_)) * sum_scale_);
      }
    }
    return result;
  }

  float step() const { return sum_scale_; }

 private:
  int integer(float value, float scale) const {
    if (!case_.is_unsigned()) return saturated(case_.non_negative ? std::max(value, 0.0f) : value, scale);
    return static_cast<int>(std::clamp(std::nearbyint(value / scale), 0.0f, 255.0f));
  }

  // Of the weights [row, column, input, result]; a depthwise one has two results for each input.
  float weight(int64_t row, int64_t column, int64_t in, int64_t out) const {
    const auto* w = graph_.value(graph_.find_value("w")).constant.as<float>();
    const int64_t last = case_.depthwise ? 2 : case_.results();
    return w[((row * kWindow + column) * kChannels + in) * last + (case_.depthwise ? out % 2 : out)];
  }

  std::array<int64_t, 2> inputs_of(int64_t out) const {
    return case_.depthwise ? std::array{out / 2, out / 2 + 1} : std::array{int64_t{0}, kChannels};
  }

  float widest(int64_t out) const {
    float most = 0.0f;
    const auto [first, end] = inputs_of(out);
    for (int64_t tap = 0; tap < kWindow * kWindow; ++tap) {
      for (int64_t in = first; in < end; ++in) {
        most = std::max(most, std::abs(weight(tap / kWindow, tap % kWindow, in, out)));
      }
    }
    return most;
  }

  int32_t sum(int64_t at, int64_t out, float weight_scale) const {
    const int64_t image = at / (kSide * kSide), row = at / kSide % kSide, column = at % kSide;
    const auto [first, end] = inputs_of(out);
    int32_t total = 0;
    for (int64_t tap = 0; tap < kWindow * kWindow; ++tap) {
      const int64_t r = row + tap / kWindow - 1, c = column + tap % kWindow - 1;
      if (r < 0 || r >= kSide || c < 0 || c >= kSide) continue;
      for (int64_t in = first; in < end; ++in) {
        const float value = x_.as<float>()[((image * kSide + r) * kSide + c) * kChannels + in];
        total += integer(value, input_scale_) * saturated(weight(tap / kWindow, tap % kWindow, in, out), weight_scale);
      }
    }
    return total;
  }

  const Case& case_;
  ir::Graph graph_;
  const Tensor& x_;
  float input_scale_ = 0.0f, sum_scale_ = 0.0f;
};

class CustomRangesOfConvolutions : public testing::TestWithParam<Case> {};

TEST_P(CustomRangesOfConvolutions, AreThoseOfAnIntegerSimulation) {
  const Case& c = GetParam();
  const Tensor x = random_tensor(Shape{kImages, kSide, kSide, kChannels}, 4.0f, 5);
  for (const char* op : {"FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel", "QuantizeAndDequantizeV4"}) {
    // Wide enough for all sums, and so tight that many are clipped.
    for (const float sum_range : {24.0f, 3.0f}) {
      const std::string text = network(c, op, 4.0f, sum_range);
      const Simulation simulation(c, text, x, 4.0f, sum_range);
      const std::vector<float> expected = simulation.run();
      for (const char* backend : {"", "reference"}) {
        ConvertOptions options = int8_options(backend);
        options.int8_grid = c.grid;
        const Engine engine = convert(model_of(text), options);
        const Tensor y = engine.run({{"", x}})[0].tensor;
        for (size_t i = 0; i < expected.size(); ++i) {
          ASSERT_NEAR(y.as<float>()[i], expected[i], simulation.step() * 1.001f)
              << op << " " << sum_range << " " << backend << " " << i;
        }
        const auto report = nlohmann::json::parse(engine.report_json());
        int stored = 0;
        for (const auto& row : report["int8"]["tensors"])
          stored += row["dtype"] == (c.is_unsigned() ? "uint8" : "int8");
        EXPECT_GE(stored, 2) << op;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, CustomRangesOfConvolutions,
                         testing::Values(Case{"Conv2DSigned", false, false, "tensorrt"},
                                         Case{"Conv2DAuto", false, false, "auto"},
                                         Case{"Conv2DUnsigned", false, true, "auto"},
                                         Case{"Conv2DNonNegativeSigned", false, true, "tensorrt"},
                                         Case{"DepthwiseSigned", true, false, "tensorrt"},
                                         Case{"DepthwiseUnsigned", true, true, "auto"}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tfengine
