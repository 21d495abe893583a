// SPDX-License-Identifier: Apache-2.0
// Kernels that count activations for calibration; what they count stays in these blocks of device memory.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace tfengine::cuda {

inline constexpr int kCountBins = 2048;
inline constexpr int kCountLogBins = 256;
inline constexpr int kUnsetExponent = INT32_MIN;

// Of one tensor. Counters are of the type that the device adds to atomically.
struct CountState {
  using Counter = unsigned long long;
  Counter bins[2 * kCountBins];  // positive, then negative
  Counter log_bins[kCountLogBins];
  Counter count, zeros, nans, infs;
  int32_t exponent;
  uint32_t min_key, max_key;  // floats whose order is that of unsigned integers
  // Of the tensor that is being counted.
  uint32_t largest;  // the bits of the largest finite |x|
  uint32_t blocks_done;
};
// What it is before the first value.
void count_reset(cudaStream_t stream, CountState* state);
float count_key_value(uint32_t key);

// Counts `samples` times `elements` values; `peak`: where the largest finite |x| goes; null: nowhere.
void count_values(cudaStream_t stream, CountState* state, const float* data, int64_t samples, int64_t elements,
                  int64_t log_stride, float* peak);
// The largest finite |x| of each of `parts` parts of `elements` values.
void part_peaks(cudaStream_t stream, const float* data, int64_t parts, int64_t elements, float* peaks);

// Adds each channel's sum over `count` rows of every sample to `sums`, in multiples of 2^-40. A sum that is not below 2^60 in
// magnitude sets `broken`.
void add_channel_sums(cudaStream_t stream, const float* data, int64_t samples, int64_t rows_per_sample,
                      int64_t channels, const int64_t* rows, int count, __int128* sums, int* broken);

}  // namespace tfengine::cuda
