// SPDX-License-Identifier: Apache-2.0
// Ranges that a graph gives by its quantization nodes, against arithmetic on integers written out here:
// scale = max(|low|, |high|) / 127, halves rounded to even, saturated.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "custom_ranges.h"
#include "ir/parser.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

constexpr int64_t kRows = 16, kIn = 6, kOut = 5;

// x -> MatMul -> BiasAdd -> a product with the identity, which shows the integers of the tensor in front; each
// quantizer's text may be empty, and then reads "%name = Identity(%in)".
std::string network(const std::string& at_input, const std::string& at_product, const std::string& at_sum) {
  const auto or_identity = [](const std::string& text, const std::string& out, const std::string& in) {
    return text.empty() ? "%" + out + " = Identity(%" + in + ")\n" : text;
  };
  return R"(graph @g(%x: f32[16,6]) {
    %w = const f32[6,5] uniform(1, -1.0, 1.0)
    %b = const f32[5] uniform(2, -0.5, 0.5)
    %eye = const f32[5,5] [1.0,0.0,0.0,0.0,0.0, 0.0,1.0,0.0,0.0,0.0, 0.0,0.0,1.0,0.0,0.0, 0.0,0.0,0.0,1.0,0.0, 0.0,0.0,0.0,0.0,1.0]
    )" + or_identity(at_input, "qx", "x") +
         "%m = MatMul(%qx, %w)\n" + or_identity(at_product, "qm", "m") + "%s = BiasAdd(%qm, %b)\n" +
         or_identity(at_sum, "qs", "s") + "%y = MatMul(%qs, %eye)\nreturn %y\n}";
}

Tensor input(float most, unsigned seed = 3) { return random_tensor(Shape{kRows, kIn}, most, seed); }

// The integers of the sum, times their scale.
std::vector<float> simulated(const std::string& text, const Tensor& x, float input_range, float sum_range) {
  const ir::Graph graph = ir::parse(text);
  const auto* w = graph.value(graph.find_value("w")).constant.as<float>();
  const auto* b = graph.value(graph.find_value("b")).constant.as<float>();
  const float input_scale = input_range / 127, sum_scale = sum_range / 127;
  std::vector<float> result;
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t c = 0; c < kOut; ++c) {
      float widest = 0.0f;
      for (int64_t k = 0; k < kIn; ++k) widest = std::max(widest, std::abs(w[k * kOut + c]));
      int32_t sum = 0;
      for (int64_t k = 0; k < kIn; ++k) {
        sum += saturated(x.as<float>()[row * kIn + k], input_scale) * saturated(w[k * kOut + c], widest / 127);
      }
      const float real = static_cast<float>(sum) * input_scale * (widest / 127) + b[c];
      result.push_back(static_cast<float>(saturated(real, sum_scale)) * sum_scale);
    }
  }
  return result;
}

void expect_simulated(const std::string& text, const Tensor& x, float input_range, float sum_range) {
  const std::vector<float> expected = simulated(text, x, input_range, sum_range);
  const Model model = model_of(text);
  for (const char* backend : {"", "reference"}) {
    const Tensor y = convert(model, int8_options(backend)).run({{"", x}})[0].tensor;
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(y.as<float>()[i], expected[i], sum_range / 127 * 1.001f) << backend << " " << i;
    }
  }
}

const char* const kOps[] = {"FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel",
                            "QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4"};

class CustomRanges : public testing::TestWithParam<const char*> {};

TEST_P(CustomRanges, AreThoseOfAnIntegerSimulation) {
  const std::string op = GetParam();
  // Uneven ones, of which the larger side counts.
  const std::string text =
      network(quantizer(op, "qx", "x", -4.0f, 3.0f, kIn), "", quantizer(op, "qs", "s", -2.5f, 6.0f, kOut));
  expect_simulated(text, input(4.0f), 4.0f, 6.0f);
}

TEST_P(CustomRanges, ATightOneClips) {
  const std::string op = GetParam();
  const std::string text =
      network(quantizer(op, "qx", "x", -4.0f, 4.0f, kIn), "", quantizer(op, "qs", "s", -0.75f, 0.75f, kOut));
  expect_simulated(text, input(4.0f), 4.0f, 0.75f);
  const Tensor y = convert(model_of(text), int8_options()).run({{"", input(4.0f)}})[0].tensor;
  const auto at_end = [](float value) { return std::abs(value) >= 0.75f; };
  EXPECT_GT(std::count_if(y.as<float>(), y.as<float>() + y.elements(), at_end), y.elements() / 4);
}

TEST_P(CustomRanges, OnAFusedTensorChangesNothing) {
  const std::string op = GetParam();
  const auto with = [&](const std::string& at_product) {
    return network(quantizer(op, "qx", "x", -9.0f, 9.0f, kIn), at_product, quantizer(op, "qs", "s", -3.0f, 3.0f, kOut));
  };
  const Tensor x = input(9.0f);
  const Engine plain = convert(model_of(with("")), int8_options());
  const Tensor expected = plain.run({{"", x}})[0].tensor;
  // [-9, 9], [-1, 1], [-3, 3] for input, product and sum: the product is no tensor of the engine.
  for (const float range : {1.0f, 1e-3f, 1e30f}) {
    const std::string text = with(quantizer(op, "qm", "m", -range, range, kOut));
    const Engine engine = convert(model_of(text), int8_options());
    const Tensor y = engine.run({{"", x}})[0].tensor;
    EXPECT_TRUE(std::equal(y.as<float>(), y.as<float>() + y.elements(), expected.as<float>())) << range;
    const auto report = nlohmann::json::parse(engine.report_json());
    EXPECT_EQ(report["int8"]["ignored_ranges"], nlohmann::json({"m"})) << range;
  }
  expect_simulated(with(""), x, 9.0f, 3.0f);
}

TEST_P(CustomRanges, OfWeightsAreKept) {
  const std::string op = GetParam();
  // Rounded to the node's grid: its own evaluation in float says what the weights are. Narrow, as weights are trained.
  const std::string nodes = quantizer(op, "qw", "w", -0.8f, 0.8f, kOut, ", narrow_range=true");
  std::string text = network(quantizer(op, "qx", "x", -4.0f, 4.0f, kIn), "", "");
  text.replace(text.find("%qx, %w)"), 8, "%qx, %qw)");
  text.insert(text.find("%m = "), nodes);
  // Inputs that lie on their grid, so that nothing but weights is rounded.
  Tensor x = input(4.0f);
  for (int64_t i = 0; i < x.elements(); ++i) {
    float& value = x.mutable_as<float>()[i];
    value = std::nearbyint(value / (4.0f / 127)) * (4.0f / 127);
  }
  ConvertOptions as_float = int8_options("reference");
  as_float.precision = "fp32";
  ConvertOptions as_int8 = int8_options();
  // The sum has no range: it stays float, and shows what the product was.
  const Tensor expected = convert(model_of(text), as_float).run({{"", x}})[0].tensor;
  const Tensor y = convert(model_of(text), as_int8).run({{"", x}})[0].tensor;
  for (int64_t i = 0; i < y.elements(); ++i) ASSERT_NEAR(y.as<float>()[i], expected.as<float>()[i], 2e-5f) << i;
}

INSTANTIATE_TEST_SUITE_P(Nodes, CustomRanges, testing::ValuesIn(kOps),
                         [](const auto& info) { return std::string(info.param); });

std::string error_of(const Model& model, const ConvertOptions& options) {
  try {
    convert(model, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(MissingRanges, StayFloatAndAreNamed) {
  const Model model = model_of(network(quantizer("FakeQuantWithMinMaxArgs", "qx", "x", -4.0f, 4.0f, kIn), "", ""));
  const Engine engine = convert(model, int8_options());
  const auto report = nlohmann::json::parse(engine.report_json());
  EXPECT_EQ(report["int8"]["missing_ranges"], nlohmann::json({"s"}));
  EXPECT_EQ(report["notes"].back(),
            "1 tensor has no INT8 range, and what reads it stays in float: 's'. Ranges come of calibration data, a "
            "calibration table, or a FakeQuantWithMinMaxVars or QuantizeAndDequantizeV2 node behind the tensor; "
            "strict_ranges makes this an error");
}

TEST(MissingRanges, AreAnErrorNamingAllWhenStrict) {
  ConvertOptions options = int8_options();
  options.strict_ranges = true;
  EXPECT_EQ(error_of(model_of(network("", "", "")), options),
            "[quantize] 2 tensors have no INT8 range: 's', 'x'; calibrate with data, give their ranges by quantization "
            "nodes or a table, or keep what reads them in float");
  const std::string given = quantizer("FakeQuantWithMinMaxArgs", "qx", "x", -4.0f, 4.0f, kIn);
  EXPECT_EQ(
      error_of(model_of(network(given, "", "")), options),
      "[quantize] 1 tensor has no INT8 range: 's'; calibrate with data, give their ranges by quantization nodes or a "
      "table, or keep what reads them in float");
  const std::string all = network(given, "", quantizer("FakeQuantWithMinMaxArgs", "qs", "s", -4.0f, 4.0f, kOut));
  EXPECT_EQ(error_of(model_of(all), options), "no error");
  options.strict_ranges = false;
  EXPECT_EQ(error_of(model_of(network("", "", "")), options),
            "precision int8 needs ranges: give calibration data, or a model with quantization nodes");
}

TEST(TwoRanges, AreAnErrorNamingBoth) {
  const std::string twice = quantizer("FakeQuantWithMinMaxArgs", "q1", "x", -4.0f, 4.0f, kIn) +
                            quantizer("QuantizeAndDequantizeV4", "qx", "q1", -5.0f, 5.0f, kIn);
  EXPECT_EQ(error_of(model_of(network(twice, "", "")), int8_options()),
            "tensor 'x' has two different ranges: 4 from 'q1' and 5 from 'qx'; expected one");
  const std::string equal = quantizer("FakeQuantWithMinMaxArgs", "q1", "x", -4.0f, 4.0f, kIn) +
                            quantizer("QuantizeAndDequantizeV4", "qx", "q1", -4.0f, 2.0f, kIn);
  EXPECT_EQ(error_of(model_of(network(equal, "", "")), int8_options()), "no error");
}

class Inputs : public BatchSource {
 public:
  bool next(Batch& batch) override {
    if (done_++ >= 4) return false;
    batch = {{"x", input(2.0f, static_cast<unsigned>(done_))}};
    return true;
  }
  void rewind() override { done_ = 0; }

 private:
  int done_ = 0;
};

TEST(MixedRanges, GivenOnesWinAndAreMarked) {
  const Model model = model_of(network(quantizer("FakeQuantWithMinMaxArgs", "qx", "x", -9.0f, 9.0f, kIn), "", ""));
  Inputs data;
  CalibrateOptions options;
  options.threads = 1;
  const Calibration calibration = calibrate(model, data, options);
  for (const Calibration& each : {calibration, Calibration::from_bytes(calibration.serialize())}) {
    const std::vector<TensorRange> ranges = each.ranges("minmax");
    ASSERT_EQ(ranges.size(), 2u);
    EXPECT_EQ(ranges[0].tensor, "s");
    EXPECT_EQ(ranges[0].source, "calibrated");
    EXPECT_EQ(ranges[1].tensor, "x");
    EXPECT_EQ(ranges[1].source, "custom");
    EXPECT_EQ(ranges[1].max_abs, 9.0f);
  }
  // TensorRT's table has them too, though not the mark.
  EXPECT_NE(calibration.table("minmax").find("\nx: "), std::string::npos);
  ConvertOptions convert_options = int8_options();
  convert_options.calibration = &calibration;
  convert_options.strict_ranges = true;
  const auto report = nlohmann::json::parse(convert(model, convert_options).report_json());
  for (const auto& row : report["int8"]["tensors"]) {
    if (row["name"] == "x") {
      EXPECT_EQ(row["source"], "custom");
    }
    if (row["name"] == "s") {
      EXPECT_EQ(row["source"], "calibrated");
    }
  }
}

TEST(Tables, OfAnyFormatGiveRanges) {
  const Model model = model_of(network("", "", ""));
  ConvertOptions options = int8_options();
  const auto sources = [&](const std::string& table) {
    options.calibration_table = table;
    const auto report = nlohmann::json::parse(convert(model, options).report_json());
    nlohmann::json found;
    for (const auto& row : report["int8"]["tensors"]) {
      if (row.contains("source")) found[row["name"].get<std::string>()] = {row["source"], row["max_abs"]};
    }
    found["notes"] = report["notes"];
    return found;
  };
  const auto trt = sources("TRT-8600-EntropyCalibration2\nx:0: 3c010204\nelsewhere: 3c010204\n");
  EXPECT_EQ(trt["x"], nlohmann::json({"calibrated", 1.0}));
  EXPECT_EQ(trt["notes"][0], "the calibration table lacks 1 of 2 tensors: s");
  EXPECT_EQ(trt["notes"][1], "the calibration table has 1 names that the graph does not have: elsewhere");
  EXPECT_EQ(sources("x 2.5\ns 1.5\n")["s"], nlohmann::json({"calibrated", 1.5}));
  EXPECT_EQ(sources(R"({"x": [-4, 1]})")["x"], nlohmann::json({"calibrated", 4.0}));
  EXPECT_EQ(
      sources(
          R"({"format": "tfengine ranges", "version": 1, "tensors": {"x": {"max_abs": 3, "source": "custom"}}})")["x"],
      nlohmann::json({"custom", 3.0}));
}

TEST(Tables, AndNodesThatDifferAreAnErrorNamingBoth) {
  const Model model = model_of(network(quantizer("FakeQuantWithMinMaxArgs", "qx", "x", -9.0f, 9.0f, kIn), "", ""));
  ConvertOptions options = int8_options();
  const auto table = [](const std::string& name, const std::string& max_abs, const std::string& source) {
    return R"({"format": "tfengine ranges", "version": 1, "tensors": {")" + name + R"(": {"max_abs": )" + max_abs +
           R"(, "source": ")" + source + R"("}}})";
  };
  for (const char* name : {"x", "x:0"}) {
    options.calibration_table = table(name, "3", "custom");
    EXPECT_EQ(
        error_of(model, options),
        "tensor 'x' has two different ranges: 9 from node 'qx' and 3, custom, from the calibration table; expected "
        "one");
  }
  options.calibration_table = table("x", "9", "custom");
  EXPECT_EQ(error_of(model, options), "no error");
  // What data say is less than what the model says.
  options.calibration_table = table("x", "3", "calibrated");
  EXPECT_EQ(error_of(model, options), "no error");
}

}  // namespace
}  // namespace tfengine
