// SPDX-License-Identifier: Apache-2.0
#include "quantize/magnitudes.h"

#include <algorithm>
#include <cmath>

namespace tfengine::quantize {

namespace {

// 64 bins for the bulk give a search about as many steps as it needs; 64 = 2^6, so the border between linear and
// logarithmic bins is an edge of both.
constexpr int kUsefulBins = 64;
constexpr double kBulkShare = 0.99;
// Values beyond twice the bulk's end are outliers; a bell curve has none.
constexpr double kFar = 2.0;

void add_linear(const Histogram& histogram, int first, Magnitudes& result) {
  for (int k = first; k < Histogram::kBins; ++k) {
    const auto mass = static_cast<double>(histogram.positive()[k]) + static_cast<double>(histogram.negative()[k]);
    if (mass == 0.0) continue;
    const double low = k * result.bin_width;
    // The last piece ends at the largest value that was seen, which may be its lower edge.
    result.pieces.push_back({low, std::clamp(low + result.bin_width, low, std::max(low, result.max)), mass});
  }
}

// The logarithmic counts may come from a sample; they give the shape, the linear bins give the mass.
bool add_logarithmic(const Histogram& histogram, double border, double mass, Magnitudes& result) {
  const std::vector<uint64_t>& counts = histogram.log_counts();
  double counted = 0.0;
  for (int bin = 0; bin < Histogram::kLogBins && log_bin_edge(bin) < border; ++bin) {
    counted += static_cast<double>(counts[static_cast<size_t>(bin)]);
  }
  if (counted == 0.0) return false;
  for (int bin = 0; bin < Histogram::kLogBins && log_bin_edge(bin) < border; ++bin) {
    const auto count = static_cast<double>(counts[static_cast<size_t>(bin)]);
    if (count == 0.0) continue;
    const double low = bin == 0 ? 0.0 : log_bin_edge(bin);
    const double high = bin == Histogram::kLogBins - 1 ? border : std::min(border, log_bin_edge(bin + 1));
    result.pieces.push_back({low, high, count * mass / counted});
  }
  return true;
}

// Integral of the squared rounding error from 0 to x, for x on the grid's part [0, max_abs]: whole cells around the
// multiples of `step` give step^3 / 12 each.
double rounding_integral(double x, double step) {
  const double cells = std::nearbyint(x / step);
  const double rest = x - cells * step;
  return cells * step * step * step / 12.0 + rest * rest * rest / 3.0;
}

double cube(double x) { return x * x * x; }

double piece_error(const Piece& piece, double max_abs, double step) {
  const double width = piece.high - piece.low;
  // Narrower than this share of a step, the difference of two integrals has lost its digits.
  if (width <= step * 1e-5) {
    const double x = (piece.low + piece.high) / 2;
    const double error = x >= max_abs ? x - max_abs : x - std::nearbyint(x / step) * step;
    return piece.mass * error * error;
  }
  double integral = 0.0;
  if (piece.low < max_abs) {
    integral += rounding_integral(std::min(piece.high, max_abs), step) - rounding_integral(piece.low, step);
  }
  if (piece.high > max_abs) {
    integral += (cube(piece.high - max_abs) - cube(std::max(piece.low - max_abs, 0.0))) / 3.0;
  }
  return piece.mass * integral / width;
}

}  // namespace

Magnitudes magnitudes_of(const Histogram& histogram) {
  Magnitudes result;
  result.zeros = static_cast<double>(histogram.moments().zeros);
  result.max = histogram.moments().max_abs();
  if (histogram.exponent() == Histogram::kUnset) return result;
  result.bin_width = histogram.bin_width();
  double bulk = 0.0;
  for (int k = 0; k < Histogram::kBins; ++k) {
    const auto mass = static_cast<double>(histogram.positive()[k]) + static_cast<double>(histogram.negative()[k]);
    result.mass += mass;
    if (k < kUsefulBins) bulk += mass;
  }
  const bool narrow = bulk >= kBulkShare * result.mass && result.max > kUsefulBins * result.bin_width;
  if (narrow && !histogram.log_counts().empty()) {
    result.from_log = add_logarithmic(histogram, kUsefulBins * result.bin_width, bulk, result);
  }
  add_linear(histogram, result.from_log ? kUsefulBins : 0, result);
  return result;
}

double percentile_of(const Magnitudes& magnitudes, double percent) {
  const double wanted = magnitudes.mass * percent / 100.0;
  double below = 0.0;
  for (const Piece& piece : magnitudes.pieces) {
    below += piece.mass;
    // The sum of masses may miss 100 % by rounding.
    if (below >= wanted * (1 - 1e-12)) return std::min(piece.high, magnitudes.max);
  }
  return magnitudes.max;
}

double quantization_error(const Magnitudes& magnitudes, double max_abs, int levels) {
  const double step = max_abs / levels;
  double sum = 0.0;
  for (const Piece& piece : magnitudes.pieces) sum += piece_error(piece, max_abs, step);
  return sum;
}

double capped_error(const Magnitudes& magnitudes, double max_abs, int levels, double bulk_max) {
  const double step = max_abs / levels;
  double sum = 0.0;
  for (const Piece& piece : magnitudes.pieces) {
    const double error = piece_error(piece, max_abs, step);
    sum += piece.low < kFar * bulk_max ? error : std::min(error, piece.mass * bulk_max * bulk_max);
  }
  return sum;
}

std::vector<double> equal_bins(const Magnitudes& magnitudes, double range, int count, double& tail) {
  std::vector<double> bins(static_cast<size_t>(count), 0.0);
  tail = 0.0;
  const double width = range / count;
  for (const Piece& piece : magnitudes.pieces) {
    const double span = piece.high - piece.low;
    if (piece.low >= range) {
      tail += piece.mass;
    } else if (std::floor(piece.low / width) == std::floor(piece.high / width) || span <= width * 1e-6) {
      bins[static_cast<size_t>(std::min(piece.low / width, count - 1.0))] += piece.mass;
    } else {
      const int last = static_cast<int>(std::min(std::ceil(piece.high / width), static_cast<double>(count)));
      for (int k = static_cast<int>(piece.low / width); k < last; ++k) {
        const double share = std::min(piece.high, (k + 1) * width) - std::max(piece.low, k * width);
        bins[static_cast<size_t>(k)] += piece.mass * std::max(share, 0.0) / span;
      }
      tail += piece.mass * std::max(piece.high - range, 0.0) / span;
    }
  }
  return bins;
}

}  // namespace tfengine::quantize
