// SPDX-License-Identifier: Apache-2.0
// Every calibrator over histograms as many and as full as a ResNet-50's, saved and read again: no model is there to run.
// bench/calibration.py says how long that takes.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "quantize/range_table.h"

namespace tfengine::quantize {
namespace {

constexpr int kTensors = 56, kSamples = 6, kValues = 12'000;

// Behind relu, signed, with heavy tails, and in few values, in turn; at magnitudes from 1e-3 to 1e3.
std::vector<float> values_of(int tensor, int sample) {
  std::mt19937 rng(static_cast<unsigned>(tensor * kSamples + sample));
  std::normal_distribution<float> normal;
  const float size = std::pow(10.0f, static_cast<float>(tensor % 7) - 3.0f);
  std::vector<float> values(kValues);
  for (float& value : values) {
    const float x = normal(rng);
    const float shaped[] = {std::max(x, 0.0f), x, x * x * x, std::nearbyint(x)};
    value = size * shaped[tensor % 4];
  }
  return values;
}

HistogramSet full_set() {
  std::vector<std::string> names;
  for (int i = 0; i < kTensors; ++i) names.push_back("tensor" + std::to_string(i));
  HistogramSet set;
  set.samples = kSamples;
  set.samples_seen = SampleLog(names, {});
  for (int sample = 0; sample < kSamples; ++sample) {
    SampleRecord record;
    record.content = static_cast<uint64_t>(sample);
    for (int i = 0; i < kTensors; ++i) {
      const std::vector<float> values = values_of(i, sample);
      Histogram one;
      one.add(values.data(), values.size());
      record.peaks.push_back(one.moments().max_abs());
      set.tensors[names[static_cast<size_t>(i)]].merge(one);
    }
    set.samples_seen.add(std::move(record));
  }
  return set;
}

TEST(AllCalibrators, RunOnSavedHistograms) {
  const HistogramSet set = full_set();
  const HistogramSet read = parse_histogram_set(serialize(set), "memory");
  ASSERT_EQ(read, set);
  std::map<std::string_view, SolvedRanges> solved;
  for (const std::string_view calibrator : calibrator_names()) {
    SolverOptions options;
    options.calibrator = calibrator;
    solved[calibrator] = solve_ranges(read, options, {});
  }
  EXPECT_EQ(solved.size(), 8u);
  for (const auto& [name, histogram] : read.tensors) {
    const float most = histogram.moments().max_abs();
    EXPECT_EQ(solved["minmax"].table.find(name)->max_abs, most) << name;
    for (const auto& [calibrator, ranges] : solved) {
      const float max_abs = ranges.table.find(name)->max_abs;
      EXPECT_GT(max_abs, 0.0f) << calibrator << " " << name;
      EXPECT_LE(max_abs, most) << calibrator << " " << name;
    }
  }
  for (const auto& [calibrator, ranges] : solved) {
    EXPECT_EQ(ranges.table.size(), static_cast<size_t>(kTensors)) << calibrator;
    EXPECT_EQ(ranges.notes, std::vector<std::string>()) << calibrator;
  }
}

}  // namespace
}  // namespace tfengine::quantize
