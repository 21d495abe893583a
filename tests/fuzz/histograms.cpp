// SPDX-License-Identifier: Apache-2.0
// Calibration histograms and channel sums, ranges and means from them. The checksum at the end (FNV-1a) is made to fit.
#include "fuzz/harness.h"
#include "quantize/histogram_set.h"
#include "quantize/range_table.h"
#include "quantize/solver.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tfengine;
  std::string bytes(fuzz::text_of(data, size));
  uint64_t hash = 14695981039346656037ull;
  for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 1099511628211ull;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(hash >> (8 * i)));
  fuzz::expect_answer([&] {
    quantize::HistogramSet set = quantize::parse_histogram_set(bytes, "'input'");
    for (const char* calibrator : {"auto", "entropy", "percentile"}) {
      quantize::SolverOptions options;
      options.calibrator = calibrator;
      quantize::solve_ranges(set, options, {});
    }
    // Twice the same set, and sets of other tensors and channels.
    set.merge(quantize::HistogramSet(set));
    quantize::HistogramSet other;
    other.model_hash = set.model_hash;
    other.preprocessing_hash = set.preprocessing_hash;
    constexpr float kRow[] = {1.0f, -2.0f, 0.5f, 3.0f};
    for (const auto& [name, sums] : set.channel_sums) {
      if (sums.means().size() > sums.channels()) __builtin_trap();
      other.tensors[name].add(kRow, 4);
      other.channel_sums[name].add_sample(kRow, 1, 4, 4);
    }
    other.merge(set);
    quantize::parse_histogram_set(quantize::serialize(other), "'again'");
  });
  fuzz::expect_answer([&] {
    const quantize::ChannelMeans means = quantize::parse_channel_means(bytes, "'input'");
    quantize::parse_channel_means(quantize::serialize(means), "'again'");
  });
  return 0;
}
