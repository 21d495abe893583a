// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "quantize/solvers/solvers.h"

namespace tfengine::quantize {

// A moving average of the batches' maxima depends on their size and order. Over samples in any order it tends to the mean
// of the samples' maxima, which depends on neither.
double solve_moving_average(const Magnitudes& magnitudes, const SolverOptions& options) {
  const double bound = options.mean_peak > 0.0 ? std::min(options.mean_peak, magnitudes.max) : magnitudes.max;
  const bool erases_bulk = percentile_of(magnitudes, 99.9) < bound / options.levels;
  return erases_bulk ? bulk_bound(magnitudes) : guarded(magnitudes, bound, options.levels);
}

}  // namespace tfengine::quantize
