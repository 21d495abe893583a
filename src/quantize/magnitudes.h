// SPDX-License-Identifier: Apache-2.0
// The distribution of a tensor's nonzero |x| as pieces of uniform density, which is what the range solvers work on,
// and the error that a threshold would cause on it. Zeros are not in it: every grid holds them exactly.
#pragma once

#include <vector>

#include "quantize/histogram.h"

namespace tfengine::quantize {

struct Piece {
  double low;
  double high;  // equal to low for a point mass
  double mass;
};

struct Magnitudes {
  std::vector<Piece> pieces;  // disjoint, ascending, mass > 0
  double mass = 0.0;          // the sum of the pieces' masses: nonzero finite values
  double zeros = 0.0;
  double max = 0.0;        // the largest |x|
  double bin_width = 0.0;  // of the linear bins
  bool from_log = false;   // the lower pieces come from the logarithmic bins
};

// Where an outlier has pressed 99 % of the values into the lowest 64 linear bins, their pieces are taken from the
// logarithmic bins.
Magnitudes magnitudes_of(const Histogram& histogram);

// The smallest piece end below which at least `percent` of the nonzero mass lies, never above max.
double percentile_of(const Magnitudes& magnitudes, double percent);

// Sum over the mass of (|x| - Q(|x|))^2, integrated exactly over each piece, where Q rounds to the nearest of the
// multiples 0 .. levels of max_abs / levels. Divide by mass + zeros for the mean.
double quantization_error(const Magnitudes& magnitudes, double max_abs, int levels);

// The same where values far above `bulk_max` count as outliers: whatever happens to one costs at most bulk_max^2, as
// much as losing a value at the end of the bulk.
double capped_error(const Magnitudes& magnitudes, double max_abs, int levels, double bulk_max);

// Masses of `count` equal bins over [0, range); what lies beyond goes to `tail`.
std::vector<double> equal_bins(const Magnitudes& magnitudes, double range, int count, double& tail);

}  // namespace tfengine::quantize
