// SPDX-License-Identifier: Apache-2.0
// What stands behind the public Calibration.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "quantize/histogram_set.h"
#include "quantize/range_table.h"
#include "tfengine/calibrate.h"

namespace tfengine::detail {

struct CalibrationImpl {
  quantize::HistogramSet histograms;
};

// Ranges of every histogram; `non_negative` names tensors that will use the unsigned grid.
quantize::SolvedRanges solve(const CalibrationImpl& calibration, const std::string& calibrator, double percentile,
                             const std::set<std::string>& non_negative);

}  // namespace tfengine::detail
