// SPDX-License-Identifier: Apache-2.0
// The digits example as tests of memory take it: models, engines that nothing times, inputs, engine files in memory.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tfengine/convert.h"

namespace tfengine::testing {

inline Model digits_model(const std::string& name = "cnn.pb") {
  return Model::load(std::string(TFE_SOURCE_DIR) + "/examples/digits/" + name);
}

inline NamedTensor digits_images(int64_t count) {
  Tensor tensor(DType::F32, {count, 8, 8, 1});
  for (int64_t i = 0; i < tensor.elements(); ++i) tensor.mutable_as<float>()[i] = static_cast<float>(i % 17) / 16.0f;
  return {"", tensor};
}

inline Shape digits_shape(int64_t count) { return {count, 8, 8, 1}; }

inline std::vector<float> digits_scores(const Engine& engine, int64_t count) {
  const Tensor scores = engine.run({digits_images(count)}).at(0).tensor;
  return {scores.as<float>(), scores.as<float>() + scores.elements()};
}

// The same engine every time, and every step INT8 that can be.
inline ConvertOptions digits_options(const Calibration* calibration = nullptr, int64_t batch_size = 1) {
  ConvertOptions options;
  if (calibration != nullptr) options.precision = "int8";
  options.calibration = calibration;
  options.avoid_slow_int8 = false;
  options.engine.time_tactics = false;
  options.engine.threads = 1;
  options.batch_size = batch_size;
  return options;
}

inline Calibration digits_calibration() {
  CalibrateOptions options;
  options.threads = 1;
  Calibrator calibrator(digits_model(), options);
  calibrator.run({digits_images(16)});
  return calibrator.result();
}

// An engine file's bytes, aligned as a mapped file's.
struct EngineBytes {
  explicit EngineBytes(const Engine& engine) {
    engine.write([&](const void* data, size_t bytes) { text.append(static_cast<const char*>(data), bytes); });
    memory.reset(std::aligned_alloc(64, (text.size() + 63) / 64 * 64), std::free);
    std::memcpy(memory.get(), text.data(), text.size());
  }
  Engine load(const EngineOptions& options) const {
    return Engine::from_bytes({static_cast<const char*>(memory.get()), text.size()}, memory, options);
  }
  std::string text;
  std::shared_ptr<void> memory;
};

}  // namespace tfengine::testing
