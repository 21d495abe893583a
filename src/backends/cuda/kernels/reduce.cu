// SPDX-License-Identifier: Apache-2.0
#include <cfloat>

#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

constexpr int kThreads = 128;

__device__ __forceinline__ float combine(ReduceKind kind, float a, float b) {
  switch (kind) {
    case ReduceKind::Max:
      return fmaxf(a, b);
    case ReduceKind::Min:
      return fminf(a, b);
    case ReduceKind::Prod:
      return a * b;
    default:
      return a + b;
  }
}

__device__ __forceinline__ float neutral(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::Max:
      return -INFINITY;
    case ReduceKind::Min:
      return INFINITY;
    case ReduceKind::Prod:
      return 1.0f;
    default:
      return 0.0f;
  }
}

// A warp for each result where the reduced elements lie side by side, a thread where results do.
__global__ void __launch_bounds__(kThreads) reduce_results(ReduceKind kind, const void* src, Elem elem, int64_t results,
                                                           int64_t inner, int64_t stride, int lanes, void* dst) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) / lanes;
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  float r = neutral(kind);
  if (i < results) {
    const int64_t base = i / stride * inner * stride + i % stride;
    for (int64_t k = lane; k < inner; k += lanes) r = combine(kind, r, load(src, elem, base + k * stride));
  }
  if (lanes == 32) {
    for (int offset = 16; offset > 0; offset /= 2) r = combine(kind, r, __shfl_xor_sync(0xffffffffu, r, offset));
  }
  if (i >= results || lane != 0) return;
  store(dst, elem, i, kind == ReduceKind::Mean ? r / static_cast<float>(inner) : r);
}

}  // namespace

void reduce(cudaStream_t stream, ReduceKind kind, const void* src, Elem elem, int64_t outer, int64_t inner,
            int64_t stride, void* dst) {
  const int lanes = stride == 1 ? 32 : 1;
  const int64_t results = outer * stride;
  reduce_results<<<blocks_for(results * lanes, kThreads), kThreads, 0, stream>>>(kind, src, elem, results, inner,
                                                                                 stride, lanes, dst);
  check_launch("reduce");
}

}  // namespace tfengine::cuda
