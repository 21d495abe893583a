// SPDX-License-Identifier: Apache-2.0
// Counts float tensors where they lie on a device, for calibration: extremes and histograms, channel sums, and the peaks of single
// samples, the same numbers as counting on the host gives. The work goes beside a queue's and can be recorded with it; what was
// counted stays on the device until it is taken.
#pragma once

#include <climits>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "plan/device.h"

namespace tfengine::plan {

// Of one tensor over all runs. Bin k of the positive (negative) half counts finite x > 0 (x < 0) with floor(|x| / 2^exponent)
// == k; the exponent is the least one of kMinExponent to kMaxExponent that all values fit at.
struct TensorCounts {
  static constexpr int kBins = 2048;
  static constexpr int kLogBins = 256;  // eight for each power of two from 2^-20
  static constexpr int kUnset = INT_MIN;
  static constexpr int kMinExponent = -100;
  static constexpr int kMaxExponent = 117;
  // Over finite values, never -0.0; `count` is of all values.
  float min = std::numeric_limits<float>::infinity();
  float max = -std::numeric_limits<float>::infinity();
  uint64_t count = 0, zeros = 0, nans = 0, infs = 0;
  int exponent = kUnset;       // until a finite value other than zero comes
  std::vector<uint64_t> bins;  // positive, then negative
  std::vector<uint64_t> log_bins;
};

// Sums by channel in multiples of 2^-40, each sample's rounded towards zero.
struct TensorSums {
  bool broken = false;  // a sample's sum was not below 2^60 in magnitude: the rest is of no use
  std::vector<__int128> sums;
};

// What count() is to do with a dense tensor of `samples` samples of `elements` values each.
struct CountTask {
  int slot = 0;
  const float* data = nullptr;
  int64_t samples = 1, elements = 0;
  int64_t log_stride = 1;  // each sample's values at multiples of this also go to the logarithmic bins
  int peaks = 0;           // parts, of equal size, whose largest finite magnitude is noted apart; 0: none
  int first_peak = 0;      // where they are noted
};

// The same for sum(): rows of `channels` values, of which those in `rows` (offsets within a sample) are added up in their order.
struct SumTask {
  int slot = 0;
  const float* data = nullptr;
  int64_t samples = 1, rows_per_sample = 0, channels = 0;
  int rows = 0;  // add_rows()
};

class TensorCounter {
 public:
  virtual ~TensorCounter() = default;

  // Before any recording: these take memory. Slots are numbered from 0.
  virtual int add_counts() = 0;
  virtual int add_sums(int64_t channels) = 0;
  virtual int add_rows(std::span<const int64_t> rows) = 0;
  virtual void reserve_peaks(size_t peaks) = 0;

  // Behind what is in the queue, beside what follows it: the tensor has to stay until finish().
  virtual void count(Queue& queue, const CountTask& task) = 0;
  virtual void sum(Queue& queue, const SumTask& task) = 0;
  // What comes next in the queue waits for all counting since the last finish(), and for the peaks, which are then in peaks().
  virtual void finish(Queue& queue) = 0;
  virtual std::span<const float> peaks() const = 0;

  // What was counted in a slot since it was taken last. No run may be under way.
  virtual TensorCounts take_counts(int slot) = 0;
  virtual TensorSums take_sums(int slot) = 0;
};

}  // namespace tfengine::plan
