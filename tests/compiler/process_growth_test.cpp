// SPDX-License-Identifier: Apache-2.0
// What a process grows by when it loads an engine file and runs it: what the engine reports, and little more.
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/digits.h"
#include "support/graph_def_builder.h"
#include "tfengine/convert.h"

namespace tfengine {
namespace {

constexpr int64_t kSide = 28, kChannels = 256;
constexpr int kLayers = 12;
constexpr uint64_t kMiB = uint64_t{1} << 20;

// In bytes: all that is resident, and of it the pages of libraries as their files have them, which belong to no engine.
struct Resident {
  int64_t whole = 0, files = 0;
};

Resident resident() {
  Resident sum;
  std::ifstream maps("/proc/self/smaps");
  bool library = false;
  for (std::string line; std::getline(maps, line);) {
    const auto kib = [&] { return std::stoll(line.substr(line.find(':') + 1)) * 1024; };
    if (line.starts_with("Rss:")) {
      sum.whole += kib();
      if (library) sum.files += kib();
    } else if (line.starts_with("Anonymous:")) {
      if (library) sum.files -= kib();
    } else if (line.find('-') < line.find(' ')) {
      library = line.find(".so") != std::string::npos;
    }
  }
  return sum;
}

// A file of its own per process: tests run beside each other.
std::string engine_file(const std::string& precision) {
  testing::GraphDefBuilder graph;
  std::string last = graph.placeholder("x", {-1, kSide, kSide, 3});
  for (int i = 0; i < kLayers; ++i)
    last = graph.conv("conv" + std::to_string(i), last, i == 0 ? 3 : kChannels, kChannels);
  const Model model = Model::from_graph_def(graph.bytes(), nullptr, {}, "convolutions");
  const NamedTensor image{"", Tensor(DType::F32, {1, kSide, kSide, 3})};
  Calibrator calibrator(model, {});
  calibrator.run({image});
  const Calibration calibration = calibrator.result();
  ConvertOptions options = testing::digits_options(precision == "int8" ? &calibration : nullptr);
  options.engine.threads = 2;
  const std::string path =
      std::filesystem::temp_directory_path() / ("growth_" + std::to_string(getpid()) + "_" + precision + ".tfe");
  convert(model, options).save(path);
  return path;
}

void expect_growth_as_reported(const std::string& precision, int64_t batch) {
  const std::string path = engine_file(precision);
  EngineOptions options;
  options.time_tactics = false;
  const NamedTensor images{"", Tensor(DType::F32, {batch, kSide, kSide, 3})};
  // The caller's, and here before anything is counted: malloc keeps what was freed of such sizes.
  std::vector<float> results(static_cast<size_t>(batch * kSide * kSide * kChannels));
  malloc_trim(0);  // what is free already must not take in what comes
  const Resident before = resident();
  const Engine engine = Engine::load(path, options);
  for (int run = 0; run < 2; ++run) engine.run_into({images}, {results.data()});
  const Resident now = resident();
  std::filesystem::remove(path);
  const MemoryReport report = engine.memory();
  EXPECT_GT(report.weights_bytes, (precision == "int8" ? 6 : 24) * kMiB);
  const auto predicted = static_cast<double>(report.peak_bytes);
  const double most = 1.05 * predicted + 8.0 * kMiB;
  const int64_t whole = now.whole - before.whole, files = now.files - before.files;
  EXPECT_LE(static_cast<double>(whole), most);
  EXPECT_LE(static_cast<double>(whole - files), most);
  // The engine's memory is there, all of it.
  EXPECT_GE(static_cast<double>(whole - files), 0.95 * predicted - 1.0 * kMiB);
}

TEST(ProcessGrowth, Float) { expect_growth_as_reported("fp32", 1); }
TEST(ProcessGrowth, FloatOfABatch) { expect_growth_as_reported("fp32", 16); }
TEST(ProcessGrowth, Int8) { expect_growth_as_reported("int8", 1); }
TEST(ProcessGrowth, Int8OfABatch) { expect_growth_as_reported("int8", 16); }

}  // namespace
}  // namespace tfengine
