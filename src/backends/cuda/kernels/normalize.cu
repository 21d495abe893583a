// SPDX-License-Identifier: Apache-2.0
// Softmax and layer normalization: one warp for each row of channels, which it keeps in registers; a block for longer rows.
#include <cfloat>
#include <type_traits>

#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

constexpr int kThreads = 256;

template <typename Combine>
__device__ float over_block(float x, Combine combine) {
  __shared__ float partial[kThreads / 32];
  for (int offset = 16; offset > 0; offset /= 2) x = combine(x, __shfl_xor_sync(0xffffffffu, x, offset));
  __syncthreads();  // the last use of `partial` is over
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = x;
  __syncthreads();
  x = partial[0];
  for (int i = 1; i < kThreads / 32; ++i) x = combine(x, partial[i]);
  return x;
}

__device__ float sum_block(float x) {
  return over_block(x, [](float a, float b) { return a + b; });
}
__device__ float max_block(float x) {
  return over_block(x, [](float a, float b) { return fmaxf(a, b); });
}

// By a block.
__device__ __forceinline__ void clear_padding(const Target& dst, int64_t row, int channels) {
  for (int64_t c = channels + static_cast<int>(threadIdx.x); c < dst.pitch; c += kThreads)
    store(dst.data, dst.elem, row * dst.pitch + c, 0.0f);
}

__global__ void __launch_bounds__(kThreads) softmax_rows(View src, Target dst, int channels, bool log) {
  const int64_t row = blockIdx.x;
  const auto value = [&](int c) { return load(src.data, src.elem, row * src.pitch + c) * src.scale; };
  float most = -FLT_MAX;
  for (int c = static_cast<int>(threadIdx.x); c < channels; c += kThreads) most = fmaxf(most, value(c));
  most = max_block(most);
  float sum = 0.0f;
  for (int c = static_cast<int>(threadIdx.x); c < channels; c += kThreads) sum += expf(value(c) - most);
  sum = sum_block(sum);
  const float log_sum = logf(sum), inverse = 1.0f / sum;
  for (int c = static_cast<int>(threadIdx.x); c < channels; c += kThreads) {
    const float x = value(c) - most;
    const float r = log ? x - log_sum : expf(x) * inverse;
    store(dst.data, dst.elem, row * dst.pitch + c, dst.elem == Elem::S8 ? r * dst.inv_scale : r);
  }
  clear_padding(dst, row, channels);
}

__global__ void __launch_bounds__(kThreads)
    layer_norm_rows(View src, const float* __restrict__ gamma, const float* __restrict__ beta, float epsilon,
                    Target dst, int channels) {
  const int64_t row = blockIdx.x;
  const auto value = [&](int c) { return load(src.data, src.elem, row * src.pitch + c) * src.scale; };
  float sum = 0.0f;
  for (int c = static_cast<int>(threadIdx.x); c < channels; c += kThreads) sum += value(c);
  const float mean = sum_block(sum) / static_cast<float>(channels);
  float squares = 0.0f;
  for (int c = static_cast<int>(threadIdx.x); c < channels; c += kThreads) {
    const float d = value(c) - mean;
    squares = fmaf(d, d, squares);
  }
  const float inverse = 1.0f / sqrtf(sum_block(squares) / static_cast<float>(channels) + epsilon);
  for (int c = static_cast<int>(threadIdx.x); c < channels; c += kThreads) {
    const float r = (value(c) - mean) * inverse * gamma[c] + beta[c];
    store(dst.data, dst.elem, row * dst.pitch + c, dst.elem == Elem::S8 ? r * dst.inv_scale : r);
  }
  clear_padding(dst, row, channels);
}

__device__ __forceinline__ float sum_warp(float x) {
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(0xffffffffu, x, offset);
  return x;
}
__device__ __forceinline__ float max_warp(float x) {
  for (int offset = 16; offset > 0; offset /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, offset));
  return x;
}

constexpr int kRowsPerBlock = kThreads / 32;
constexpr int kMostHeld = 32;  // channels of a row that a lane keeps

// Elements that are read or written together.
template <typename T, int kCount>
struct alignas(kCount * sizeof(T) < 16 ? kCount * sizeof(T) : 16) Chunk {
  T values[kCount];
};

template <int kCount>
__device__ __forceinline__ void store_together(const Target& dst, int64_t at, const float (&values)[kCount]) {
  if (kCount > 1 && dst.elem == Elem::F16) {
    Chunk<__half, kCount> halves;
#pragma unroll
    for (int i = 0; i < kCount; ++i) halves.values[i] = __float2half_rn(values[i]);
    *reinterpret_cast<Chunk<__half, kCount>*>(static_cast<__half*>(dst.data) + at) = halves;
  } else if (kCount > 1 && dst.elem == Elem::F32) {
    Chunk<float, kCount> floats;
#pragma unroll
    for (int i = 0; i < kCount; ++i) floats.values[i] = values[i];
    *reinterpret_cast<Chunk<float, kCount>*>(static_cast<float*>(dst.data) + at) = floats;
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i)
      store(dst.data, dst.elem, at + i, dst.elem == Elem::S8 ? values[i] * dst.inv_scale : values[i]);
  }
}

// A row of up to 32 * kHeld channels of type T, of which each lane takes kWide together; `beyond` is what lies beyond its end. All
// loads of a lane are under way before the first one is used.
template <typename T, int kHeld, int kWide>
struct Row {
  static constexpr int kChunks = kHeld / kWide;

  float values[kHeld];
  int64_t index;
  int lane;

  // The channel of values[i].
  __device__ __forceinline__ int channel(int i) const { return (i / kWide * 32 + lane) * kWide + i % kWide; }

  __device__ __forceinline__ Row(const View& src, int64_t rows, int channels, float beyond)
      : index(static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.x / 32),
        lane(static_cast<int>(threadIdx.x) % 32) {
    if (index >= rows) return;
    const T* from = static_cast<const T*>(src.data) + index * src.pitch;
    Chunk<T, kWide> chunks[kChunks];
#pragma unroll
    for (int i = 0; i < kChunks; ++i) {
      if (channel(i * kWide) < channels)
        chunks[i] = *reinterpret_cast<const Chunk<T, kWide>*>(from + channel(i * kWide));
    }
#pragma unroll
    for (int i = 0; i < kHeld; ++i)
      values[i] = channel(i) < channels ? to_float(chunks[i / kWide].values[i % kWide]) * src.scale : beyond;
  }
  template <typename Result>
  __device__ __forceinline__ void write(const Target& dst, int channels, Result result) const {
#pragma unroll
    for (int i = 0; i < kHeld; i += kWide) {
      const int first = channel(i);
      if (first >= dst.pitch) continue;
      float results[kWide];
#pragma unroll
      for (int k = 0; k < kWide; ++k) results[k] = first + k < channels ? result(values[i + k], first + k) : 0.0f;
      store_together(dst, index * dst.pitch + first, results);
    }
  }
};

template <typename T, int kHeld, int kWide>
__global__ void __launch_bounds__(kThreads) softmax_held(View src, Target dst, int64_t rows, int channels, bool log) {
  const Row<T, kHeld, kWide> row(src, rows, channels, -FLT_MAX);
  if (row.index >= rows) return;
  float most = -FLT_MAX;
#pragma unroll
  for (int i = 0; i < kHeld; ++i) most = fmaxf(most, row.values[i]);
  most = max_warp(most);
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kHeld; ++i) sum += row.channel(i) < channels ? expf(row.values[i] - most) : 0.0f;
  sum = sum_warp(sum);
  const float log_sum = logf(sum), inverse = 1.0f / sum;
  row.write(dst, channels, [&](float x, int) { return log ? x - most - log_sum : expf(x - most) * inverse; });
}

template <typename T, int kHeld, int kWide>
__global__ void __launch_bounds__(kThreads)
    layer_norm_held(View src, const float* __restrict__ gamma, const float* __restrict__ beta, float epsilon,
                    Target dst, int64_t rows, int channels) {
  const Row<T, kHeld, kWide> row(src, rows, channels, 0.0f);
  if (row.index >= rows) return;
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kHeld; ++i) sum += row.values[i];
  const float mean = sum_warp(sum) / static_cast<float>(channels);
  float squares = 0.0f;
#pragma unroll
  for (int i = 0; i < kHeld; ++i) {
    const float d = row.values[i] - mean;
    squares += row.channel(i) < channels ? d * d : 0.0f;
  }
  const float inverse = 1.0f / sqrtf(sum_warp(squares) / static_cast<float>(channels) + epsilon);
  row.write(dst, channels, [&](float x, int c) { return (x - mean) * inverse * gamma[c] + beta[c]; });
}

// Whether rows can be read and written by so many elements at once.
bool in_pieces(const View& src, const Target& dst, int64_t channels, int count) {
  const auto whole = [&](const void* data, int64_t pitch) {
    return pitch % count == 0 && reinterpret_cast<uintptr_t>(data) % 16 == 0;
  };
  return channels % count == 0 && whole(src.data, src.pitch) && whole(dst.data, dst.pitch);
}

template <typename T, int kHeld, int kWide>
struct Held {
  using type = T;
  static constexpr int held = kHeld, wide = kWide;
};
// Calls use(Held) for the least one that holds a row; false where none does.
template <typename Use>
bool with_held(const View& src, const Target& dst, int64_t channels, Use&& use) {
  const int64_t held = ((channels > dst.pitch ? channels : dst.pitch) + 31) / 32;
  if (held > kMostHeld) return false;
  visit_float_or_s8(src.elem, [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr int kPiece = sizeof(T) == 1 ? 1 : 16 / static_cast<int>(sizeof(T));
    const auto with_size = [&](auto size) {
      constexpr int kHeld = decltype(size)::value;
      if (in_pieces(src, dst, channels, kPiece)) {
        use(Held<T, kHeld, kPiece>{});
      } else {
        use(Held<T, kHeld, 1>{});
      }
    };
    if (held <= 8) {
      with_size(std::integral_constant<int, 8>{});
    } else if (held <= 24) {
      with_size(std::integral_constant<int, 24>{});
    } else {
      with_size(std::integral_constant<int, kMostHeld>{});
    }
  });
  return true;
}

}  // namespace

void softmax(cudaStream_t stream, const View& src, const Target& dst, int64_t rows, int64_t channels, bool log) {
  const bool held = with_held(src, dst, channels, [&](auto size) {
    using Size = decltype(size);
    softmax_held<typename Size::type, Size::held, Size::wide>
        <<<blocks_for(rows, kRowsPerBlock), kThreads, 0, stream>>>(src, dst, rows, static_cast<int>(channels), log);
  });
  if (!held) {
    softmax_rows<<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(src, dst, static_cast<int>(channels), log);
  }
  check_launch("softmax");
}

void layer_norm(cudaStream_t stream, const View& src, const float* gamma, const float* beta, float epsilon,
                const Target& dst, int64_t rows, int64_t channels) {
  const bool held = with_held(src, dst, channels, [&](auto size) {
    using Size = decltype(size);
    layer_norm_held<typename Size::type, Size::held, Size::wide>
        <<<blocks_for(rows, kRowsPerBlock), kThreads, 0, stream>>>(src, gamma, beta, epsilon, dst, rows,
                                                                   static_cast<int>(channels));
  });
  if (!held) {
    layer_norm_rows<<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(src, gamma, beta, epsilon, dst,
                                                                          static_cast<int>(channels));
  }
  check_launch("layer_norm");
}

}  // namespace tfengine::cuda
