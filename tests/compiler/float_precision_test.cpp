// SPDX-License-Identifier: Apache-2.0
// Engines whose float layers are bfloat16, through the public API. Nothing is timed, so that each layer that can be is.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <map>
#include <sstream>

#include "tfengine/convert.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

Model digits() { return Model::load(std::string(TFE_SOURCE_DIR) + "/examples/digits/cnn.pb"); }

NamedTensor images(int64_t batch) {
  Tensor tensor(DType::F32, {batch, 8, 8, 1});
  for (int64_t i = 0; i < tensor.elements(); ++i)
    tensor.mutable_as<float>()[i] = static_cast<float>(i * 7 % 17) / 16.0f;
  return {"", tensor};
}

std::vector<float> values(const Engine& engine, int64_t batch) {
  const std::vector<NamedTensor> outputs = engine.run({images(batch)});
  return {outputs[0].tensor.as<float>(), outputs[0].tensor.as<float>() + outputs[0].tensor.elements()};
}

double greatest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double greatest = 0.0;
  for (size_t i = 0; i < a.size(); ++i) greatest = std::max(greatest, std::abs(static_cast<double>(a[i]) - b[i]));
  return greatest;
}

std::map<std::string, int> layers_by_precision(const Engine& engine) {
  std::map<std::string, int> count;
  for (const LayerProfile& layer : engine.profile({images(1)}, 1)) {
    if (layer.op == "Conv2D" || layer.op == "MatMul") ++count[layer.precision];
  }
  return count;
}

// A calibration table of the first tensors only: what reads the others stays float.
std::string half_a_table() {
  Calibrator calibrator(digits());
  calibrator.run({images(16)});
  std::istringstream table(calibrator.result().table("minmax"));
  std::string text;
  int line_number = 0;
  for (std::string line; line_number < 3 && std::getline(table, line); ++line_number) text += line + "\n";
  return text;
}

ConvertOptions untimed(const std::string& precision) {
  ConvertOptions options;
  options.precision = precision;
  options.engine.time_tactics = false;
  return options;
}

ConvertOptions half_int8(const std::string& float_precision) {
  ConvertOptions options = untimed("int8");
  options.calibration_table = half_a_table();
  options.float_precision = float_precision;
  return options;
}

TEST(FloatPrecision, OtherNamesAreRefused) {
  ConvertOptions options = untimed("int8");
  options.float_precision = "int8";
  try {
    convert(digits(), options);
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "float_precision 'int8' is unknown, expected fp32, fp16 or bf16");
  }
}

TEST(FloatPrecision, IsWhatLayersWithoutRangesComputeIn) {
  if (!precision_available("bf16")) GTEST_SKIP() << "this CPU has no bfloat16 arithmetic";
  const Engine in_fp32 = convert(digits(), half_int8("fp32")), in_bf16 = convert(digits(), half_int8("BF16"));
  const auto fp32 = layers_by_precision(in_fp32), bf16 = layers_by_precision(in_bf16);
  EXPECT_GT(fp32.at("int8"), 0);
  EXPECT_GT(fp32.at("fp32"), 0);
  EXPECT_EQ(bf16.at("int8"), fp32.at("int8"));
  EXPECT_EQ(bf16.at("bf16"), fp32.at("fp32"));
  EXPECT_EQ(bf16.count("fp32"), 0u);
  const double difference = greatest_difference(values(in_fp32, 4), values(in_bf16, 4));
  EXPECT_GT(difference, 0.0);
  EXPECT_LT(difference, 0.1);  // of scores up to 10 or so
  EXPECT_EQ(in_bf16.precision(), "int8");
}

TEST(FloatPrecision, IsThatOfAnEngineWithoutAnyRange) {
  if (!precision_available("bf16")) GTEST_SKIP() << "this CPU has no bfloat16 arithmetic";
  ConvertOptions options = untimed("int8");
  options.float_without_ranges = true;
  options.float_precision = "bf16";
  const Engine engine = convert(digits(), options);
  EXPECT_EQ(layers_by_precision(engine).count("fp32"), 0u);
  EXPECT_FALSE(engine.quantized());
  EXPECT_EQ(values(engine, 3), values(convert(digits(), untimed("bf16")), 3));
}

TEST(FloatPrecision, DenylistedLayersStayFp32) {
  if (!precision_available("bf16")) GTEST_SKIP() << "this CPU has no bfloat16 arithmetic";
  ConvertOptions options = untimed("bf16");
  std::string last;
  for (const LayerProfile& layer : convert(digits(), options).profile({images(1)}, 1)) {
    if (layer.op == "MatMul") last = layer.name;
  }
  options.nodes_denylist = {last};
  std::string precision;
  for (const LayerProfile& layer : convert(digits(), options).profile({images(1)}, 1)) {
    if (layer.name == last) precision = layer.precision;
  }
  EXPECT_EQ(precision, "fp32") << last;
}

TEST(FloatPrecision, SurvivesFilesAndModelsGivenAgain) {
  ConvertOptions options = half_int8("bf16");
  options.model_again = digits;
  const Engine engine = convert(digits(), options);
  const std::vector<float> wanted = values(engine, 5);  // planned from the model given again
  options.model_again = nullptr;
  EXPECT_EQ(values(convert(digits(), options), 5), wanted);
  const std::string path = testing::TempDir() + "float" + std::to_string(getpid()) + ".tfe";
  engine.save(path);
  const Engine loaded = Engine::load(path);
  EXPECT_TRUE(loaded.notices().empty());
  EXPECT_EQ(values(loaded, 5), wanted);
  EXPECT_EQ(layers_by_precision(loaded), layers_by_precision(engine));
  std::filesystem::remove(path);
}

TEST(FloatPrecision, WhatIsMeasuredIsReported) {
  if (!precision_available("bf16")) GTEST_SKIP() << "this CPU has no bfloat16 arithmetic";
  ConvertOptions options = half_int8("bf16");
  options.engine.time_tactics = true;
  EXPECT_NE(convert(digits(), options).report_json().find("float steps measured apart: fp32 "), std::string::npos);
  options.float_precision = "fp32";
  EXPECT_EQ(convert(digits(), options).report_json().find("float steps measured apart"), std::string::npos);
}

}  // namespace
}  // namespace tfengine
