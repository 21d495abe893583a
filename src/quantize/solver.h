// SPDX-License-Identifier: Apache-2.0
// From a histogram to the range that INT8 has to cover: all calibrators under one function. No calibrator may do
// worse than the plain maximum by its own histogram, outliers apart.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quantize/histogram.h"

namespace tfengine::quantize {

// Grid steps from 0 to max_abs.
inline constexpr int kSignedLevels = 127;
inline constexpr int kUnsignedLevels = 255;

struct SolverOptions {
  // "entropy": TensorRT's entropy 2, "entropy1": its entropy 1, "legacy": its quantile of all values. "minmax": the largest
  // |x|, "moving_average": the mean of the samples' largest |x|. "percentile". "mse": the least squared error. "auto": the
  // widest range whose error, outliers capped, is within a few percent of the least.
  std::string calibrator = "auto";
  double percentile = 99.99;  // for "percentile": of the nonzero values; for "legacy": of all values
  int levels = kSignedLevels;
  double mean_peak = 0.0;  // for "moving_average"; 0: not known, the largest |x| is taken
};

std::span<const std::string_view> calibrator_names();
// InvalidArgument for an unknown calibrator, a percentile outside (0, 100] or levels below 1.
void check_solver_options(const SolverOptions& options);

// The range's bound, in (0, max |x|]; 0 for a tensor without a nonzero finite value.
float solve_max_abs(const Histogram& histogram, const SolverOptions& options);

}  // namespace tfengine::quantize
