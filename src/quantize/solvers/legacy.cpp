// SPDX-License-Identifier: Apache-2.0
#include "quantize/solvers/solvers.h"

namespace tfengine::quantize {

// TensorRT's legacy calibrator asks for a quantile of all values; behind a relu most of them are zeros.
double solve_legacy(const Magnitudes& magnitudes, const SolverOptions& options) {
  const double all = magnitudes.mass + magnitudes.zeros;
  const double wanted = all * options.percentile / 100.0 - magnitudes.zeros;
  const double bound = wanted > 0.0 ? percentile_of(magnitudes, 100.0 * wanted / magnitudes.mass) : 0.0;
  return guarded(magnitudes, bound, options.levels);
}

}  // namespace tfengine::quantize
