// SPDX-License-Identifier: Apache-2.0
// tfengine-gpu-calibration-bench MODEL.pb IMAGES.npy [DEVICE]: milliseconds for each sample of calibration on a GPU beside those of the same
// float model that only runs there, from and to the host's memory. Both take the first tactic of each step and one sample at a
// time. One line of JSON.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "tfengine/calibrate.h"
#include "tfengine/convert.h"
#include "tfengine/data.h"

namespace {

using namespace tfengine;
using Clock = std::chrono::steady_clock;
constexpr int kRounds = 7;

// The least time of all rounds, by sample.
template <class Work>
double least_ms(size_t samples, Work&& work) {
  double least = 1e30;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = Clock::now();
    work();
    least = std::min(least, std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  return least / static_cast<double>(samples);
}

std::vector<Batch> samples_of(const std::string& path) {
  DataOptions options;
  options.batch_size = 1;
  const auto source = open_data(path, options);
  std::vector<Batch> samples;
  for (Batch batch; source->next(batch);) samples.push_back(batch);
  return samples;
}

void measure(const std::string& model_path, const std::string& images, const std::string& device) {
  const Model model = Model::load(model_path);
  const std::vector<Batch> samples = samples_of(images);
  ConvertOptions options;
  options.precision = "fp32";
  options.engine.device = device;
  options.engine.time_tactics = false;
  const Engine engine = convert(model, options);
  const auto run_float = [&] {
    for (const Batch& sample : samples) (void)engine.run(sample);
  };
  CalibrateOptions calibrate_options;
  calibrate_options.device = device;
  Calibrator calibrator(model, calibrate_options);
  const auto run_counted = [&] {
    for (const Batch& sample : samples) (void)calibrator.run(sample);
  };
  run_float();
  run_counted();
  const double float_ms = least_ms(samples.size(), run_float), counted_ms = least_ms(samples.size(), run_counted);
  const auto start = Clock::now();
  (void)calibrator.result();
  const double result_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  fmt::print(
      R"({{"model":"{}","samples":{},"float_ms":{:.4f},"calibration_ms":{:.4f},"ratio":{:.3f},"result_ms":{:.1f}}})"
      "\n",
      model_path, samples.size(), float_ms, counted_ms, counted_ms / float_ms, result_ms);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: tfengine-gpu-calibration-bench MODEL.pb IMAGES.npy [DEVICE]\n");
    return 2;
  }
  try {
    measure(argv[1], argv[2], argc > 3 ? argv[3] : "cuda");
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
