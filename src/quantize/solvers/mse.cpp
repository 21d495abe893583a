// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "quantize/solvers/solvers.h"

namespace tfengine::quantize {

namespace {

// The error is smooth at 2 % for continuous data; few-valued data have narrow minima, which the second, finer
// round around the best of the first finds.
constexpr double kCoarse = 1.02;
constexpr int kFineSteps = 8;
// Clipping half of the nonzero values is never best.
constexpr double kLowestPercentile = 50.0;

const Candidate& least(const std::vector<Candidate>& candidates) {
  return *std::min_element(candidates.begin(), candidates.end(),
                           [](const Candidate& a, const Candidate& b) { return a.error < b.error; });
}

}  // namespace

std::vector<Candidate> search_errors(const Magnitudes& magnitudes, int levels, ErrorFn error) {
  const double bulk_max = percentile_of(magnitudes, kBulkPercent);
  std::vector<Candidate> candidates;
  const auto try_bound = [&](double bound) {
    candidates.push_back({bound, error(magnitudes, bound, levels, bulk_max)});
  };
  const double lowest = std::max(percentile_of(magnitudes, kLowestPercentile), magnitudes.max * 0x1p-40);
  double coarse = magnitudes.max;
  while (coarse >= lowest) {
    try_bound(coarse);
    coarse /= kCoarse;
  }
  const double best = least(candidates).max_abs;
  for (int i = -kFineSteps + 1; i < kFineSteps; ++i) {
    const double bound = best * std::pow(kCoarse, static_cast<double>(i) / kFineSteps);
    if (i != 0 && bound < magnitudes.max) try_bound(bound);
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.max_abs < b.max_abs; });
  return candidates;
}

double solve_mse(const Magnitudes& magnitudes, const SolverOptions& options) {
  if (maximum_erases_bulk(magnitudes, options.levels)) return bulk_bound(magnitudes);
  const ErrorFn error = [](const Magnitudes& all, double bound, int levels, double) {
    return quantization_error(all, bound, levels);
  };
  return least(search_errors(magnitudes, options.levels, error)).max_abs;
}

}  // namespace tfengine::quantize
