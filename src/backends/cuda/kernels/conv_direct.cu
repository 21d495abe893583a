// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

constexpr int kThreads = 128;

__device__ __forceinline__ int multiply_add(int acc, int8_t a, int8_t b) { return acc + int{a} * int{b}; }
__device__ __forceinline__ float multiply_add(float acc, float a, float b) { return fmaf(a, b, acc); }
__device__ __forceinline__ float multiply_add(float acc, __half a, __half b) {
  return fmaf(__half2float(a), __half2float(b), acc);
}

template <typename T>
__global__ void direct(ConvShape s, const T* __restrict__ src, int64_t src_pitch, const T* __restrict__ weights,
                       ConvEpilogue epilogue, Target dst, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const int64_t pixel = i / dst.pitch;
  const int k = static_cast<int>(i - pixel * dst.pitch);
  if (k >= s.out_c) {
    store(dst.data, dst.elem, i, 0.0f);
    return;
  }
  const int ow = static_cast<int>(pixel % s.out_w);
  const int oh = static_cast<int>(pixel / s.out_w % s.out_h);
  const int64_t n = pixel / s.out_w / s.out_h;
  const int depth = s.in_c / s.groups;
  const int first = k / (s.out_c / s.groups) * depth;
  typename Accumulator<T>::type acc = 0;
  for (int r = 0; r < s.kernel_h; ++r) {
    const int ih = oh * s.stride_h + r * s.dilation_h - s.pad_top;
    if (ih < 0 || ih >= s.in_h) continue;
    for (int q = 0; q < s.kernel_w; ++q) {
      const int iw = ow * s.stride_w + q * s.dilation_w - s.pad_left;
      if (iw < 0 || iw >= s.in_w) continue;
      const T* x = src + ((n * s.in_h + ih) * s.in_w + iw) * src_pitch + first;
      const T* w = weights + ((static_cast<int64_t>(k) * s.kernel_h + r) * s.kernel_w + q) * depth;
      for (int c = 0; c < depth; ++c) acc = multiply_add(acc, x[c], w[c]);
    }
  }
  const float result = finish(epilogue, static_cast<float>(acc), pixel, k);
  store(dst.data, dst.elem, i, dst.elem == Elem::S8 ? result * dst.inv_scale : result);
}

}  // namespace

void conv_direct(cudaStream_t stream, const ConvShape& shape, const View& src, const void* weights,
                 const ConvEpilogue& epilogue, const Target& dst) {
  const int64_t count = static_cast<int64_t>(shape.batch) * shape.out_h * shape.out_w * dst.pitch;
  visit_float_or_s8(src.elem, [&](auto tag) {
    using T = typename decltype(tag)::type;
    direct<T><<<blocks_for(count, kThreads), kThreads, 0, stream>>>(
        shape, static_cast<const T*>(src.data), src.pitch, static_cast<const T*>(weights), epilogue, dst, count);
  });
  check_launch("conv_direct");
}

}  // namespace tfengine::cuda
