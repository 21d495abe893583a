// SPDX-License-Identifier: Apache-2.0
// Softmax and layer normalization: one block for each row of channels.
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

}  // namespace

void softmax(cudaStream_t stream, const View& src, const Target& dst, int64_t rows, int64_t channels, bool log) {
  softmax_rows<<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(src, dst, static_cast<int>(channels), log);
  check_launch("softmax");
}

void layer_norm(cudaStream_t stream, const View& src, const float* gamma, const float* beta, float epsilon,
                const Target& dst, int64_t rows, int64_t channels) {
  layer_norm_rows<<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(src, gamma, beta, epsilon, dst,
                                                                        static_cast<int>(channels));
  check_launch("layer_norm");
}

}  // namespace tfengine::cuda
