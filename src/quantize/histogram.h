// SPDX-License-Identifier: Apache-2.0
// What calibration remembers of one tensor: counts of magnitudes in bins whose width is a power of two, and moments.
// Histograms of any two batches or workers merge exactly, in any order, because the bins of a wider histogram are
// unions of the bins of a narrower one. Choosing a range from it is in solver.h; counting at full speed is the
// caller's (prepare, positive, negative, add_moments).
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace tfengine::quantize {

// min and max are over finite values, never -0.0; `count` is of all values, zeros, NaNs and infinities included. There is
// no sum: adding doubles depends on the order.
struct Moments {
  float min = std::numeric_limits<float>::infinity();
  float max = -std::numeric_limits<float>::infinity();
  uint64_t count = 0;
  uint64_t zeros = 0;
  uint64_t nans = 0;
  uint64_t infs = 0;

  void add(float value);
  void merge(const Moments& other);
  uint64_t finite() const { return count - nans - infs; }
  uint64_t nonzero() const { return finite() - zeros; }
  // The largest finite |x|; 0 if there is none.
  float max_abs() const;
  bool operator==(const Moments&) const = default;
};

class Histogram {
 public:
  static constexpr int kBins = 2048;
  // A second histogram with 8 bins per power of two from 2^-20 to 2^12 (values beyond are in the end bins). It keeps
  // the shape of the bulk within 12 % when one outlier makes the linear bins too wide.
  static constexpr int kLogBins = 256;
  static constexpr int kUnset = INT_MIN;
  // 2^-100 is far below anything that matters, and 2^100 is still a normal float to multiply with.
  static constexpr int kMinExponent = -100;
  static constexpr int kMaxExponent = 117;  // the largest float is below 2048 * 2^117

  // Counts `n` values; plain and portable.
  void add(const float* data, size_t n);

  // For callers that count by themselves: makes the bins wide enough for |x| <= max_abs (finite; 0 is allowed) and
  // returns the exponent e: bin k holds magnitudes in [k * 2^e, (k + 1) * 2^e). The arrays below take counts of
  // nonzero finite values and stay valid until the next prepare, merge or add; moments are added apart.
  int prepare(float max_abs);
  uint64_t* positive() { return counts_.data(); }
  uint64_t* negative() { return counts_.data() + kBins; }
  void add_moments(const Moments& moments) { moments_.merge(moments); }
  // Counts every `stride`-th value in the logarithmic bins alone.
  void add_log(const float* data, size_t n, size_t stride = 1);

  void merge(const Histogram& other);

  // kUnset as long as no nonzero finite value came.
  int exponent() const { return exponent_; }
  double bin_width() const;
  const Moments& moments() const { return moments_; }
  // Undefined while exponent() is kUnset.
  const uint64_t* positive() const { return counts_.data(); }
  const uint64_t* negative() const { return counts_.data() + kBins; }
  // Empty when nothing was counted logarithmically.
  const std::vector<uint64_t>& log_counts() const { return log_counts_; }
  bool operator==(const Histogram&) const = default;

  // For readers of stored histograms. `counts`: positive then negative, or empty with kUnset; `log_counts`: kLogBins
  // or empty.
  static Histogram from_parts(int exponent, Moments moments, std::vector<uint64_t> counts,
                              std::vector<uint64_t> log_counts);

 private:
  void fold_to(int exponent);

  int exponent_ = kUnset;
  Moments moments_;
  std::vector<uint64_t> counts_;  // positive, then negative; allocated when first needed
  std::vector<uint64_t> log_counts_;
};

// The bin of |value| in log_counts, and the lower edge of a bin; log_bin_edge(kLogBins) is the upper end, 2^12.
int log_bin(float value);
double log_bin_edge(int bin);

}  // namespace tfengine::quantize
