// SPDX-License-Identifier: Apache-2.0
// What the statistics of a calibration say about the data it was made with: whether there were enough of them, and which
// samples and inputs look wrong. Judgements only; ranges do not depend on them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quantize/histogram_set.h"

namespace tfengine::quantize {

// A sample by its fingerprint, and what is odd about it.
struct OutlierSample {
  uint64_t content = 0;
  std::string tensor;    // in which it stands out most
  float peak = 0.0f;     // its largest |x| there
  float typical = 0.0f;  // the samples' median of that
};

struct Checkup {
  uint64_t samples = 0;
  // As many samples as would have given nearly the same ranges. Nothing when all were not enough, or too few to tell.
  std::optional<uint64_t> enough_samples;
  std::vector<OutlierSample> outliers;     // the most extreme first
  std::vector<uint64_t> constant_samples;  // with an input of one value throughout
  uint64_t repeated_samples = 0;           // those that are there once more
  std::vector<std::string> findings;       // sentences
};

Checkup check_up(const HistogramSet& set);

}  // namespace tfengine::quantize
