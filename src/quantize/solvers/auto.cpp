// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "quantize/solvers/solvers.h"

namespace tfengine::quantize {

namespace {
// Outliers are capped, since a few of them would buy their exactness with that of all other values. The error is flat around its minimum. Of ranges that are as good, the widest one clips least, and clipping
// is the error that does not average out: it makes the largest activations, which decide the class, smaller.
constexpr double kAsGood = 1.03;
}  // namespace

double solve_auto(const Magnitudes& magnitudes, const SolverOptions& options) {
  if (maximum_erases_bulk(magnitudes, options.levels)) return bulk_bound(magnitudes);
  const std::vector<Candidate> candidates = search_errors(magnitudes, options.levels, capped_error);
  double least = candidates.back().error;
  for (const Candidate& candidate : candidates) least = std::min(least, candidate.error);
  const auto widest = std::find_if(candidates.rbegin(), candidates.rend(),
                                   [&](const Candidate& candidate) { return candidate.error <= least * kAsGood; });
  return widest->max_abs;
}

}  // namespace tfengine::quantize
