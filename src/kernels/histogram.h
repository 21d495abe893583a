// SPDX-License-Identifier: Apache-2.0
// Counting activation values for calibration: moments, and histograms whose bin width is a power of two, so
// that histograms of any two batches or workers merge exactly. Who folds, merges and chooses ranges is not
// here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

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

// Where counts are kept. Bin k of positive (negative) counts finite values x > 0 (x < 0) with
// floor(|x| * 2^-exponent) == k. Zeros, NaN and infinities are counted by the moments alone.
struct HistogramSink {
  int exponent = 0;
  uint64_t* positive = nullptr;
  uint64_t* negative = nullptr;
};
// Called once, behind the counting, with the largest finite |x|: gives a sink with max_abs < kHistogramBins * 2^exponent.
// Owners fold what they have to wider bins for it.
using PrepareSink = std::function<HistogramSink(float max_abs)>;

// Counts `src` and adds to `moments`, in one pass. `exponent` is that of what was counted before, or anything below: the
// sink's is not lower, nor lower than histogram_exponent(max_abs). Without a finite value but zero, `prepare` is not called. The workspace is aligned to 64 bytes.
size_t histogram_workspace_bytes(int threads);
void histogram_add(const FloatRows& src, int exponent, const PrepareSink& prepare, Moments& moments, void* workspace,
                   int threads);

// The smallest exponent e with max_abs < kHistogramBins * 2^e, but at least -126, below which bins are subnormal; max_abs
// must be finite and above 0.
int histogram_exponent(float max_abs);

}  // namespace tfengine::kernels
