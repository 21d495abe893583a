// SPDX-License-Identifier: Apache-2.0
// One kernel for each tensor: every block counts its values in shared memory by the bins that fit the tensors before, and the last
// one to end looks whether a larger value came: then it widens the bins and counts what had not fitted. That is seldom but for
// the first tensor, whose values all come to the last block.
#include "backends/cuda/kernels/count.h"

#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

using Counter = CountState::Counter;

constexpr int kThreads = 256;
constexpr int kValuesPerThread = 32;
constexpr int kMostBlocks = 264;  // twice the multiprocessors of an H100
constexpr int kBothBins = 2 * kCountBins;
constexpr uint32_t kInfinity = 0x7f800000u;
constexpr int kMinExponent = -100, kMaxExponent = 117;

__device__ __forceinline__ uint32_t magnitude_bits(float x) { return __float_as_uint(x) & 0x7fffffffu; }

// 2^exponent for -126 to 128, which is infinite.
__device__ __forceinline__ float power_of_two(int exponent) {
  return __uint_as_float(static_cast<uint32_t>(exponent + 127) << 23);
}

// The least exponent at which a magnitude above 0 fits: it is below 2^(exponent + 11).
__device__ __forceinline__ int exponent_for(uint32_t bits) {
  const int above = static_cast<int>(bits >> 23) - 126;
  return max(kMinExponent, min(kMaxExponent, above - 11));
}

__device__ __forceinline__ uint32_t ordered_key(float x) {
  const uint32_t bits = __float_as_uint(x + 0.0f);  // -0.0 becomes 0.0
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

// Of what a thread saw, then a block.
struct Seen {
  uint32_t zeros = 0, nans = 0, infs = 0;
  uint32_t min_key = 0xffffffffu, max_key = 0;
  uint32_t largest = 0;
};

__device__ __forceinline__ void look_at(float x, Seen& seen) {
  const uint32_t bits = magnitude_bits(x);
  if (bits >= kInfinity) {
    (bits == kInfinity ? seen.infs : seen.nans) += 1;
    return;
  }
  seen.zeros += bits == 0 ? 1 : 0;
  const uint32_t key = ordered_key(x);
  seen.min_key = min(seen.min_key, key);
  seen.max_key = max(seen.max_key, key);
  seen.largest = max(seen.largest, bits);
}

__device__ __forceinline__ void add_to_bin(uint32_t* bins, float x, float inverse_width) {
  // A tensor that something writes meanwhile must not take other memory with it.
  const int bin = min(static_cast<int>(fabsf(x) * inverse_width), kCountBins - 1);
  atomicAdd(bins + (x < 0.0f ? kCountBins : 0) + bin, 1u);
}

// Adds a block's bins to the tensor's.
__device__ void flush(const uint32_t* bins, Counter* to, int count) {
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) {
    if (bins[i] != 0) atomicAdd(to + i, static_cast<Counter>(bins[i]));
  }
}

// Of a block: `together` is its shared memory, which is empty.
__device__ void add_seen(const Seen& seen, Seen& together, CountState* state) {
  const auto sum = [](uint32_t x) { return __reduce_add_sync(0xffffffffu, x); };
  const uint32_t zeros = sum(seen.zeros), nans = sum(seen.nans), infs = sum(seen.infs);
  const uint32_t least = __reduce_min_sync(0xffffffffu, seen.min_key);
  const uint32_t most = __reduce_max_sync(0xffffffffu, seen.max_key);
  const uint32_t largest = __reduce_max_sync(0xffffffffu, seen.largest);
  if (threadIdx.x % 32 == 0) {
    atomicAdd(&together.zeros, zeros);
    atomicAdd(&together.nans, nans);
    atomicAdd(&together.infs, infs);
    atomicMin(&together.min_key, least);
    atomicMax(&together.max_key, most);
    atomicMax(&together.largest, largest);
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  if (together.zeros != 0) atomicAdd(&state->zeros, static_cast<Counter>(together.zeros));
  if (together.nans != 0) atomicAdd(&state->nans, static_cast<Counter>(together.nans));
  if (together.infs != 0) atomicAdd(&state->infs, static_cast<Counter>(together.infs));
  atomicMin(&state->min_key, together.min_key);
  atomicMax(&state->max_key, together.max_key);
  atomicMax(&state->largest, together.largest);
}

// What the last block finds in the counters, which others wrote.
template <typename T>
__device__ __forceinline__ T read(const T* from) {
  return __ldcg(from);
}

// Bins of 2^shift old ones each.
__device__ void widen(CountState* state, int shift) {
  Counter wide[kBothBins / kThreads];
#pragma unroll
  for (int k = 0; k < kBothBins / kThreads; ++k) {
    const int i = k * kThreads + static_cast<int>(threadIdx.x);
    const int first = (i % kCountBins) << shift;
    wide[k] = 0;
    for (int old = first; old < min(first + (1 << shift), kCountBins); ++old)
      wide[k] += read(state->bins + i / kCountBins * kCountBins + old);
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < kBothBins / kThreads; ++k) state->bins[k * kThreads + static_cast<int>(threadIdx.x)] = wide[k];
  __syncthreads();
}

// The last block's part: everything of at least `limit`, by wider bins.
__device__ void count_misfits(CountState* state, const float* data, int64_t count, float limit, uint32_t largest,
                              uint32_t* bins) {
  const int old = state->exponent, exponent = exponent_for(largest);
  if (old != kUnsetExponent) widen(state, min(exponent - old, 11));
  for (int i = static_cast<int>(threadIdx.x); i < kBothBins; i += kThreads) bins[i] = 0;
  __syncthreads();
  const float inverse_width = power_of_two(-exponent);
  for (int64_t i = threadIdx.x; i < count; i += kThreads) {
    const float x = data[i];
    if (magnitude_bits(x) != 0 && magnitude_bits(x) < kInfinity && fabsf(x) >= limit)
      add_to_bin(bins, x, inverse_width);
  }
  __syncthreads();
  flush(bins, state->bins, kBothBins);
  if (threadIdx.x == 0) state->exponent = exponent;
}

__device__ void count_logarithmically(const float* data, int64_t samples, int64_t elements, int64_t stride,
                                      uint32_t* bins) {
  const int64_t per_sample = (elements + stride - 1) / stride;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < samples * per_sample; i += step) {
    const uint32_t bits = magnitude_bits(data[i / per_sample * elements + i % per_sample * stride]);
    if (bits == 0 || bits >= kInfinity) continue;
    constexpr int kFirst = 107 << 3;  // 2^-20: the exponent and three bits of the mantissa
    atomicAdd(bins + max(0, min(static_cast<int>(bits >> 20) - kFirst, kCountLogBins - 1)), 1u);
  }
}

__global__ void __launch_bounds__(kThreads)
    count_kernel(CountState* state, const float* __restrict__ data, int64_t samples, int64_t elements,
                 int64_t log_stride, float* peak) {
  __shared__ uint32_t bins[kBothBins];
  __shared__ uint32_t log_bins[kCountLogBins];
  __shared__ Seen together;
  __shared__ bool last;
  const int64_t count = samples * elements;
  const int exponent = state->exponent;  // only the last block changes it, when all have read it
  const float limit = exponent == kUnsetExponent ? 0.0f : power_of_two(exponent + 11);
  const float inverse_width = exponent == kUnsetExponent ? 0.0f : power_of_two(-exponent);
  for (int i = static_cast<int>(threadIdx.x); i < kBothBins; i += kThreads) bins[i] = 0;
  for (int i = static_cast<int>(threadIdx.x); i < kCountLogBins; i += kThreads) log_bins[i] = 0;
  if (threadIdx.x == 0) together = Seen();
  __syncthreads();
  Seen seen;
  const auto take = [&](float x) {
    look_at(x, seen);
    if (x != 0.0f && fabsf(x) < limit) add_to_bin(bins, x, inverse_width);
  };
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t threads = static_cast<int64_t>(gridDim.x) * kThreads;
  // Tensors begin at whole pieces of 16 bytes.
  const auto* pieces = reinterpret_cast<const float4*>(data);
  for (int64_t i = thread; i < count / 4; i += threads) {
    const float4 piece = pieces[i];
    take(piece.x);
    take(piece.y);
    take(piece.z);
    take(piece.w);
  }
  for (int64_t i = count / 4 * 4 + thread; i < count; i += threads) take(data[i]);
  count_logarithmically(data, samples, elements, log_stride, log_bins);
  add_seen(seen, together, state);
  __syncthreads();
  flush(bins, state->bins, kBothBins);
  flush(log_bins, state->log_bins, kCountLogBins);
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicAdd(&state->blocks_done, 1u) == gridDim.x - 1;
  __syncthreads();
  if (!last) return;
  __threadfence();
  const uint32_t largest = read(&state->largest);
  if (largest != 0 && __uint_as_float(largest) >= limit) count_misfits(state, data, count, limit, largest, bins);
  __syncthreads();
  if (threadIdx.x != 0) return;
  if (peak != nullptr) *peak = __uint_as_float(largest);
  state->count += static_cast<Counter>(count);
  state->largest = 0;
  state->blocks_done = 0;
}

__global__ void __launch_bounds__(kThreads)
    peaks_kernel(const float* __restrict__ data, int64_t elements, float* peaks) {
  __shared__ uint32_t most;
  if (threadIdx.x == 0) most = 0;
  __syncthreads();
  uint32_t largest = 0;
  const float* part = data + static_cast<int64_t>(blockIdx.x) * elements;
  for (int64_t i = threadIdx.x; i < elements; i += kThreads) {
    const uint32_t bits = magnitude_bits(part[i]);
    if (bits < kInfinity) largest = max(largest, bits);
  }
  atomicMax(&most, largest);
  __syncthreads();
  if (threadIdx.x == 0) peaks[blockIdx.x] = __uint_as_float(most);
}

// sum * 2^40 without its fraction.
__device__ __forceinline__ __int128 fixed_point(float sum) {
  const uint32_t bits = magnitude_bits(sum);
  const int exponent = static_cast<int>(bits >> 23);
  if (exponent == 0) return 0;  // below 2^-126
  const __int128 mantissa = (bits & 0x7fffffu) | 0x800000u;
  const int shift = exponent - 150 + 40;
  const __int128 magnitude = shift >= 0 ? mantissa << shift : shift > -24 ? mantissa >> -shift : 0;
  return sum < 0.0f ? -magnitude : magnitude;
}

// A block for 32 channels: its warps fetch rows, and one adds them up, since the order of rows counts.
constexpr int kChannels = 32;
constexpr int kRowsAtOnce = 128;

__global__ void __launch_bounds__(kThreads)
    sums_kernel(const float* __restrict__ data, int64_t samples, int64_t rows_per_sample, int64_t channels,
                const int64_t* __restrict__ rows, int count, __int128* sums, int* broken) {
  __shared__ float values[kRowsAtOnce][kChannels];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int64_t channel = static_cast<int64_t>(blockIdx.x) * kChannels + lane;
  for (int64_t n = 0; n < samples; ++n) {
    const float* sample = data + n * rows_per_sample * channels;
    float sum = 0.0f;
    for (int first = 0; first < count; first += kRowsAtOnce) {
      const int here = min(kRowsAtOnce, count - first);
#pragma unroll 4
      for (int r = warp; r < here; r += kThreads / 32) {
        values[r][lane] = channel < channels ? sample[rows[first + r] * channels + channel] : 0.0f;
      }
      __syncthreads();
      if (warp == 0) {
        for (int r = 0; r < here; ++r) sum = __fadd_rn(sum, values[r][lane]);
      }
      __syncthreads();
    }
    if (warp != 0 || channel >= channels) continue;
    constexpr float kLargest = 0x1p60f;
    if (fabsf(sum) < kLargest) {
      sums[channel] += fixed_point(sum);
    } else {  // NaN, too
      *broken = 1;
    }
  }
}

__global__ void reset_kernel(CountState* state) {
  for (int i = static_cast<int>(threadIdx.x); i < kBothBins; i += kThreads) state->bins[i] = 0;
  for (int i = static_cast<int>(threadIdx.x); i < kCountLogBins; i += kThreads) state->log_bins[i] = 0;
  if (threadIdx.x != 0) return;
  state->count = state->zeros = state->nans = state->infs = 0;
  state->exponent = kUnsetExponent;
  state->min_key = 0xffffffffu;
  state->max_key = 0;
  state->largest = state->blocks_done = 0;
}

}  // namespace

void count_reset(cudaStream_t stream, CountState* state) {
  reset_kernel<<<1, kThreads, 0, stream>>>(state);
  check_launch("count_reset");
}

float count_key_value(uint32_t key) {
  const uint32_t bits = (key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key;
  float value = 0.0f;
  static_assert(sizeof value == sizeof bits);
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

void count_values(cudaStream_t stream, CountState* state, const float* data, int64_t samples, int64_t elements,
                  int64_t log_stride, float* peak) {
  const unsigned blocks = min(blocks_for(samples * elements, kThreads * kValuesPerThread), unsigned{kMostBlocks});
  count_kernel<<<blocks, kThreads, 0, stream>>>(state, data, samples, elements, log_stride, peak);
  check_launch("count_values");
}

void part_peaks(cudaStream_t stream, const float* data, int64_t parts, int64_t elements, float* peaks) {
  peaks_kernel<<<static_cast<unsigned>(parts), kThreads, 0, stream>>>(data, elements, peaks);
  check_launch("part_peaks");
}

void add_channel_sums(cudaStream_t stream, const float* data, int64_t samples, int64_t rows_per_sample,
                      int64_t channels, const int64_t* rows, int count, __int128* sums, int* broken) {
  sums_kernel<<<blocks_for(channels, kChannels), kThreads, 0, stream>>>(data, samples, rows_per_sample, channels, rows,
                                                                        count, sums, broken);
  check_launch("add_channel_sums");
}

}  // namespace tfengine::cuda
