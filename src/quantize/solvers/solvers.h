// SPDX-License-Identifier: Apache-2.0
// The calibrators, one file each, and the guard that they share. All take a distribution with at least one piece and
// return a bound in (0, max].
#pragma once

#include "quantize/magnitudes.h"
#include "quantize/solver.h"

namespace tfengine::quantize {

double solve_auto(const Magnitudes& magnitudes, const SolverOptions& options);
double solve_entropy(const Magnitudes& magnitudes, const SolverOptions& options);
double solve_entropy1(const Magnitudes& magnitudes, const SolverOptions& options);
double solve_legacy(const Magnitudes& magnitudes, const SolverOptions& options);
double solve_minmax(const Magnitudes& magnitudes, const SolverOptions& options);
double solve_moving_average(const Magnitudes& magnitudes, const SolverOptions& options);
double solve_mse(const Magnitudes& magnitudes, const SolverOptions& options);
double solve_percentile(const Magnitudes& magnitudes, const SolverOptions& options);

// True when the largest |x| is so far out that a grid up to it would round nearly everything else to zero. Squared
// error is then no guide: the outlier alone decides it.
bool maximum_erases_bulk(const Magnitudes& magnitudes, int levels);
// A bound for such a tensor that keeps the bulk: the 99.99th percentile, unless that is an outlier too.
double bulk_bound(const Magnitudes& magnitudes);

// The end of what counts as the bulk: one value in 10,000 lies above.
inline constexpr double kBulkPercent = 99.99;

// `max_abs`, or the maximum where that has the smaller error (outliers capped): entropy and percentiles collapse on
// few-valued and gate-like tensors (published: EfficientNet-Lite0 31 % with KL).
double guarded(const Magnitudes& magnitudes, double max_abs, int levels);

// Thresholds worth trying, ascending, the maximum last, with the error of each.
struct Candidate {
  double max_abs;
  double error;
};
using ErrorFn = double (*)(const Magnitudes&, double max_abs, int levels, double bulk_max);
std::vector<Candidate> search_errors(const Magnitudes& magnitudes, int levels, ErrorFn error);

}  // namespace tfengine::quantize
