// SPDX-License-Identifier: Apache-2.0
#include "quantize/solvers/solvers.h"

namespace tfengine::quantize {

double solve_percentile(const Magnitudes& magnitudes, const SolverOptions& options) {
  return guarded(magnitudes, percentile_of(magnitudes, options.percentile), options.levels);
}

}  // namespace tfengine::quantize
