// SPDX-License-Identifier: Apache-2.0
// TensorRT's entropy calibrations (Migacz, GTC 2017): the threshold at which the quantized distribution tells most
// about the real one. In the second form zeros are left out, which is what its special treatment of the first bin is for.
#include <algorithm>
#include <cmath>
#include <limits>

#include "quantize/solvers/solvers.h"

namespace tfengine::quantize {

namespace {

double x_log_x(double x) { return x > 0.0 ? x * std::log(x) : 0.0; }

// Sums over bins[0 .. k) at index k, so that one candidate costs one step per quantization level.
struct Prefix {
  explicit Prefix(const std::vector<double>& bins)
      : mass(bins.size() + 1, 0.0), filled(bins.size() + 1, 0.0), entropy(bins.size() + 1, 0.0) {
    for (size_t k = 0; k < bins.size(); ++k) {
      mass[k + 1] = mass[k] + bins[k];
      filled[k + 1] = filled[k] + (bins[k] > 0.0);
      entropy[k + 1] = entropy[k] + x_log_x(bins[k]);
    }
  }
  std::vector<double> mass;
  std::vector<double> filled;
  std::vector<double> entropy;
};

// The divergence of P = bins[0 .. n) with all mass from n on added to its last bin, from Q = bins[0 .. n) without
// that mass, in `levels` groups, each spread evenly over its filled bins. Infinite where P has mass and Q has none.
double divergence(const std::vector<double>& bins, const Prefix& prefix, double beyond, size_t n, size_t levels) {
  const double inside = prefix.mass[n];
  const double tail = prefix.mass.back() - inside + beyond;
  const double last = bins[n - 1];
  if (inside <= 0.0 || (last <= 0.0 && tail > 0.0)) return std::numeric_limits<double>::infinity();
  double p_log_q = 0.0;
  size_t begin = 0;
  for (size_t group = 0; group < levels; ++group) {
    const size_t end = (group + 1) * n / levels;
    const double mass = prefix.mass[end] - prefix.mass[begin];
    if (mass > 0.0) {
      const double real = mass + (end == n ? tail : 0.0);
      p_log_q += real * std::log(mass / (prefix.filled[end] - prefix.filled[begin]));
    }
    begin = end;
  }
  const double p_log_p = prefix.entropy[n - 1] + x_log_x(last + tail);
  const double total = inside + tail;
  return (p_log_p - p_log_q) / total - std::log(total) + std::log(inside);
}

// Linear bins are taken as they are. Where an outlier has widened them too much, the same number of bins is laid over
// the range that holds the bulk.
double binned_range(const Magnitudes& magnitudes, int& count) {
  count = Histogram::kBins;
  if (magnitudes.from_log) return std::min(magnitudes.max, 16 * percentile_of(magnitudes, 99.9));
  count = static_cast<int>(magnitudes.max / magnitudes.bin_width) + 1;
  return count * magnitudes.bin_width;
}

// The threshold of least divergence for bins of `width`, of which candidates keep the first `levels` + 1 or more.
double least_divergence(const std::vector<double>& bins, double width, double beyond, int levels) {
  const Prefix prefix(bins);
  const auto groups = static_cast<size_t>(levels) + 1;
  double least = std::numeric_limits<double>::infinity();
  size_t best = bins.size();
  for (size_t n = groups; n <= bins.size(); ++n) {
    const double found = divergence(bins, prefix, beyond, n, groups);
    if (found < least) {
      least = found;
      best = n;
    }
  }
  return (static_cast<double>(best) + 0.5) * width;
}

}  // namespace

double solve_entropy(const Magnitudes& magnitudes, const SolverOptions& options) {
  int count = 0;
  const double range = binned_range(magnitudes, count);
  double beyond = 0.0;
  const std::vector<double> bins = equal_bins(magnitudes, range, count, beyond);
  return guarded(magnitudes, least_divergence(bins, range / count, beyond, options.levels), options.levels);
}

// The largest value itself belongs to the last bin.
constexpr double kJustAbove = 1 + 1e-9;

// As it was published: zeros are values of the first bin, and the bins always number 2048 over what was seen, of which 128
// groups are made whatever the grid.
double solve_entropy1(const Magnitudes& magnitudes, const SolverOptions& options) {
  const double range = magnitudes.from_log ? std::min(magnitudes.max, 16 * percentile_of(magnitudes, 99.9))
                                           : magnitudes.max * kJustAbove;
  double beyond = 0.0;
  std::vector<double> bins = equal_bins(magnitudes, range, Histogram::kBins, beyond);
  bins[0] += magnitudes.zeros;
  const double found = least_divergence(bins, range / Histogram::kBins, beyond, kSignedLevels);
  return guarded(magnitudes, found, options.levels);
}

}  // namespace tfengine::quantize
