// SPDX-License-Identifier: Apache-2.0
// Softmax and layer normalization: one warp for each row of channels, which it keeps in registers; a block for longer rows.
#include <cfloat>

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

// A row of up to 32 * kHeld channels, `beyond` in what is beyond its end.
template <int kHeld>
struct Row {
  float values[kHeld];
  int64_t index;
  int lane;

  __device__ __forceinline__ Row(const View& src, int64_t rows, int channels, float beyond)
      : index(static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.x / 32),
        lane(static_cast<int>(threadIdx.x) % 32) {
    if (index >= rows) return;
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      const int c = 32 * i + lane;
      values[i] = c < channels ? load(src.data, src.elem, index * src.pitch + c) * src.scale : beyond;
    }
  }
  template <typename Result>
  __device__ __forceinline__ void write(const Target& dst, int channels, Result result) const {
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      const int c = 32 * i + lane;
      if (c >= channels) continue;
      const float r = result(values[i], c);
      store(dst.data, dst.elem, index * dst.pitch + c, dst.elem == Elem::S8 ? r * dst.inv_scale : r);
    }
  }
};

template <int kHeld>
__global__ void __launch_bounds__(kThreads) softmax_held(View src, Target dst, int64_t rows, int channels, bool log) {
  const Row<kHeld> row(src, rows, channels, -FLT_MAX);
  if (row.index >= rows) return;
  float most = -FLT_MAX;
#pragma unroll
  for (int i = 0; i < kHeld; ++i) most = fmaxf(most, row.values[i]);
  most = max_warp(most);
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kHeld; ++i) sum += 32 * i + row.lane < channels ? expf(row.values[i] - most) : 0.0f;
  sum = sum_warp(sum);
  const float log_sum = logf(sum), inverse = 1.0f / sum;
  row.write(dst, channels, [&](float x, int) { return log ? x - most - log_sum : expf(x - most) * inverse; });
}

template <int kHeld>
__global__ void __launch_bounds__(kThreads)
    layer_norm_held(View src, const float* __restrict__ gamma, const float* __restrict__ beta, float epsilon,
                    Target dst, int64_t rows, int channels) {
  const Row<kHeld> row(src, rows, channels, 0.0f);
  if (row.index >= rows) return;
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kHeld; ++i) sum += row.values[i];
  const float mean = sum_warp(sum) / static_cast<float>(channels);
  float squares = 0.0f;
#pragma unroll
  for (int i = 0; i < kHeld; ++i) {
    const float d = row.values[i] - mean;
    squares += 32 * i + row.lane < channels ? d * d : 0.0f;
  }
  const float inverse = 1.0f / sqrtf(sum_warp(squares) / static_cast<float>(channels) + epsilon);
  row.write(dst, channels, [&](float x, int c) { return (x - mean) * inverse * gamma[c] + beta[c]; });
}

template <int kHeld>
struct Held {
  static constexpr int value = kHeld;
};
// Calls use(Held<H>) for the least H that holds a row; false where none does.
template <typename Use>
bool with_held(int64_t channels, Use&& use) {
  const int64_t held = (channels + 31) / 32;
  if (held > kMostHeld) return false;
  if (held <= 4) {
    use(Held<4>{});
  } else if (held <= 8) {
    use(Held<8>{});
  } else if (held <= 16) {
    use(Held<16>{});
  } else if (held <= 24) {
    use(Held<24>{});
  } else {
    use(Held<kMostHeld>{});
  }
  return true;
}

}  // namespace

void softmax(cudaStream_t stream, const View& src, const Target& dst, int64_t rows, int64_t channels, bool log) {
  const bool held = with_held(channels, [&](auto size) {
    softmax_held<decltype(size)::value>
        <<<blocks_for(rows, kRowsPerBlock), kThreads, 0, stream>>>(src, dst, rows, static_cast<int>(channels), log);
  });
  if (!held) {
    softmax_rows<<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(src, dst, static_cast<int>(channels), log);
  }
  check_launch("softmax");
}

void layer_norm(cudaStream_t stream, const View& src, const float* gamma, const float* beta, float epsilon,
                const Target& dst, int64_t rows, int64_t channels) {
  const bool held = with_held(channels, [&](auto size) {
    layer_norm_held<decltype(size)::value><<<blocks_for(rows, kRowsPerBlock), kThreads, 0, stream>>>(
        src, gamma, beta, epsilon, dst, rows, static_cast<int>(channels));
  });
  if (!held) {
    layer_norm_rows<<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(src, gamma, beta, epsilon, dst,
                                                                          static_cast<int>(channels));
  }
  check_launch("layer_norm");
}

}  // namespace tfengine::cuda
