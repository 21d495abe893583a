// SPDX-License-Identifier: Apache-2.0
// Counting activation values for calibration: moments, and histograms whose bin width is a power of two, so
// that histograms of any two batches or workers merge exactly. Who folds, merges and chooses ranges is not
// here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tfengine::kernels {

inline constexpr int kHistogramBins = 2048;

// min and max are over finite values; `count` counts all values. With no finite value min is +inf and max is -inf.
struct Moments {
  float min;
  float max;
  uint64_t count;
  uint64_t zeros;
  uint64_t nans;
  uint64_t infs;
};
Moments empty_moments();
// Adds `b` to `a`.
void merge_moments(Moments& a, const Moments& b);
// The largest finite |x|; 0 if there is none.
float max_abs(const Moments& moments);

// `rows` runs of `cols` floats, starting `stride` elements apart.
struct FloatRows {
  const float* data = nullptr;
  int64_t rows = 1;
  int64_t cols = 0;
  int64_t stride = 0;
};

// One pass for the moments; adds to `moments`. No workspace.
void absmax_stats(const FloatRows& src, Moments& moments, int threads);

// Bin k of positive (negative) counts finite values x > 0 (x < 0) with floor(|x| * 2^-exponent) == k. Zeros,
// NaN and infinities are counted by the moments alone. Precondition: |x| < kHistogramBins * 2^exponent, which
// the owner brings about by folding after absmax_stats; a larger |x| is counted in the last bin.
struct HistogramSink {
  int exponent = 0;
  uint64_t* positive = nullptr;
  uint64_t* negative = nullptr;
};
size_t histogram_workspace_bytes(int threads);
void histogram_add(const FloatRows& src, const HistogramSink& sink, void* workspace, int threads);

// The smallest exponent e with max_abs < kHistogramBins * 2^e; max_abs must be finite and above 0.
int histogram_exponent(float max_abs);

}  // namespace tfengine::kernels
