// SPDX-License-Identifier: Apache-2.0
// Engines whose activations have zero points: the same on every backend, and the same from a file. That they are nearer to the
// float model, python/tests/test_accuracy.py shows on a trained network.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "list_source.h"
#include "swish_network.h"
#include "tfengine/convert.h"

namespace tfengine {
namespace {

Engine made(const std::vector<std::string>& measures, const std::string& backend = "") {
  const Model model = swish_network();
  ListSource data(swish_samples(24, 1));
  const Calibration calibration = calibrate(model, data);
  ConvertOptions options;
  options.precision = "int8";
  options.calibration = &calibration;
  options.measures = measures;
  options.avoid_slow_int8 = false;
  options.engine.time_tactics = false;
  options.engine.threads = 2;
  options.engine.backend = backend;
  return convert(model, options);
}

double decibels_between(const Engine& reference, const Engine& other) {
  double signal = 0.0, noise = 0.0;
  for (const Batch& batch : swish_samples(16, 3)) {
    const Tensor wanted = reference.run(batch)[0].tensor, got = other.run(batch)[0].tensor;
    for (int64_t i = 0; i < wanted.elements(); ++i) {
      const double w = static_cast<double>(wanted.as<float>()[i]), e = w - static_cast<double>(got.as<float>()[i]);
      signal += w * w;
      noise += e * e;
    }
  }
  return 10.0 * std::log10(signal / std::max(noise, 1e-30));
}

TEST(AsymmetricEngine, IsTheSameOnEveryBackend) {
  const Engine fast = made({"asymmetric"}), reference = made({"asymmetric"}, "reference");
  EXPECT_NE(fast.dump().find("zero_point="), std::string::npos);
  // Integers that are one off here and there.
  EXPECT_GT(decibels_between(reference, fast), 45.0);
  // No step of it is left to the reference backend.
  const auto report = nlohmann::json::parse(fast.report_json());
  for (const LayerProfile& layer : fast.profile(swish_samples(1, 1)[0], 1)) {
    EXPECT_EQ(layer.backend, "onednn") << layer.name;
  }
  EXPECT_EQ(report["measures"], nlohmann::json::array({"asymmetric"}));
}

TEST(AsymmetricEngine, IsTheSameFromAFile) {
  const Engine engine = made({"asymmetric"});
  const auto path = std::filesystem::temp_directory_path() / "tfengine_asymmetric_test.tfe";
  engine.save(path);
  const Engine loaded = Engine::load(path);
  std::filesystem::remove(path);
  EXPECT_EQ(loaded.dump(), engine.dump());
  for (const Batch& batch : swish_samples(2, 4)) {
    const Tensor wanted = engine.run(batch)[0].tensor, got = loaded.run(batch)[0].tensor;
    for (int64_t i = 0; i < wanted.elements(); ++i) EXPECT_EQ(wanted.as<float>()[i], got.as<float>()[i]);
  }
}

TEST(AsymmetricEngine, IsExported) {
  const Engine engine = made({"asymmetric"});
  EXPECT_GT(engine.to_onnx().size(), 1000u);
  EXPECT_GT(engine.to_tensorflow().size(), 1000u);
}

}  // namespace
}  // namespace tfengine
