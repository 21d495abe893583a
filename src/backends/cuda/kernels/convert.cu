// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

constexpr int kThreads = 256;

__global__ void convert_rows(View src, Target dst, int64_t count, int channels) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const int64_t row = i / dst.pitch;
  const int c = static_cast<int>(i - row * dst.pitch);
  const float x = c < channels ? load(src.data, src.elem, row * src.pitch + c) * src.scale : 0.0f;
  store(dst.data, dst.elem, i, dst.elem == Elem::S8 ? x * dst.inv_scale : x);
}

// Four elements a thread where both sides are dense and whole.
__global__ void quantize_dense(const float4* __restrict__ src, char4* __restrict__ dst, float inv_scale,
                               int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const float4 x = src[i];
  dst[i] = make_char4(
      static_cast<signed char>(round_s8(x.x * inv_scale)), static_cast<signed char>(round_s8(x.y * inv_scale)),
      static_cast<signed char>(round_s8(x.z * inv_scale)), static_cast<signed char>(round_s8(x.w * inv_scale)));
}

}  // namespace

void convert(cudaStream_t stream, const View& src, const Target& dst, int64_t rows, int64_t channels) {
  const bool dense = src.pitch == channels && dst.pitch == channels;
  const bool aligned =
      reinterpret_cast<uintptr_t>(src.data) % 16 == 0 && reinterpret_cast<uintptr_t>(dst.data) % 4 == 0;
  if (dense && aligned && src.elem == Elem::F32 && dst.elem == Elem::S8 && rows * channels % 4 == 0) {
    const int64_t count = rows * channels / 4;
    quantize_dense<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(
        static_cast<const float4*>(src.data), static_cast<char4*>(dst.data), dst.inv_scale, count);
  } else {
    const int64_t count = rows * dst.pitch;
    convert_rows<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(src, dst, count, static_cast<int>(channels));
  }
  check_launch("convert");
}

}  // namespace tfengine::cuda
