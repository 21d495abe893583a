// SPDX-License-Identifier: Apache-2.0
// What stands behind the public Calibration.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "quantize/histogram_set.h"
#include "quantize/range_table.h"
#include "tfengine/calibrate.h"

namespace tfengine::detail {

struct CalibrationImpl {
  quantize::HistogramSet histograms;
  // Fingerprints of the samples in the order of the data; empty when that is not known (read from a file, merged).
  std::vector<uint64_t> order;
  // What the model's batch normalisations say of the data; empty when nothing, or when they are not known (as above).
  std::string normalisation;
};

TensorRange range_from(const std::string& name, const quantize::RangeEntry& entry);

// Ranges of every histogram; `non_negative` and `asymmetric` as for quantize::solve_ranges.
quantize::SolvedRanges solve(const CalibrationImpl& calibration, const std::string& calibrator, double percentile,
                             const std::set<std::string>& non_negative, bool asymmetric = false);

}  // namespace tfengine::detail
