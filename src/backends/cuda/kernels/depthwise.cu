// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kChannels = 4;  // of a thread: one word of s8
constexpr int kPixels = 4;    // of a thread, along a row: they share what they read

template <typename T>
struct alignas(sizeof(T) * kChannels) Four {
  T v[kChannels];
};

template <typename A, typename T>
__device__ __forceinline__ A widen(T x) {
  if constexpr (sizeof(T) == 1) {
    return static_cast<int>(x);
  } else {
    return to_float(x);
  }
}

// What a plain epilogue is: r * scale[c] + bias[c] in the target's steps, then bounds.
struct Bounds {
  float low, high;
};

// kKernel 0: any kernel, stride and dilation. kPlain: no residual, no activation but bounds, and a target of s8.
template <typename T, int kKernel, int kStride, bool kPlain>
__global__ void __launch_bounds__(kThreads)
    depthwise_rows(ConvShape s, const T* __restrict__ src, int64_t src_pitch, const T* __restrict__ weights,
                   ConvEpilogue epilogue, Bounds bounds, Target dst, int groups, int strips, unsigned count) {
  using A = typename Accumulator<T>::type;
  // 32 bits: divisions of 64 take as long as a pixel's arithmetic.
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= count) return;
  const int group = static_cast<int>(i % static_cast<unsigned>(groups));
  unsigned rest = i / static_cast<unsigned>(groups);
  const int strip = static_cast<int>(rest % static_cast<unsigned>(strips));
  rest /= static_cast<unsigned>(strips);
  const int oh = static_cast<int>(rest % static_cast<unsigned>(s.out_h));
  const int64_t n = rest / static_cast<unsigned>(s.out_h);
  const int c = group * kChannels;
  if (c >= dst.pitch) return;  // padding of the source alone
  const int ow = strip * kPixels;
  const int kernel_h = kKernel > 0 ? kKernel : s.kernel_h, kernel_w = kKernel > 0 ? kKernel : s.kernel_w;
  A acc[kPixels][kChannels] = {};
  for (int r = 0; r < kernel_h; ++r) {
    const int ih = oh * s.stride_h + r * s.dilation_h - s.pad_top;
    if (ih < 0 || ih >= s.in_h) continue;
    const T* row = src + (n * s.in_h + ih) * s.in_w * src_pitch + c;
    const T* w = weights + static_cast<int64_t>(r) * kernel_w * src_pitch + c;
    if constexpr (kKernel > 0) {
      // Each column is read once for all of the pixels that it belongs to.
      constexpr int kColumns = (kPixels - 1) * kStride + kKernel;
      Four<T> taps[kKernel];
#pragma unroll
      for (int q = 0; q < kKernel; ++q) taps[q] = *reinterpret_cast<const Four<T>*>(w + q * src_pitch);
      const int iw0 = ow * kStride - s.pad_left;
#pragma unroll
      for (int column = 0; column < kColumns; ++column) {
        const int iw = iw0 + column;
        if (iw < 0 || iw >= s.in_w) continue;
        const Four<T> x = *reinterpret_cast<const Four<T>*>(row + static_cast<int64_t>(iw) * src_pitch);
#pragma unroll
        for (int p = 0; p < kPixels; ++p) {
          const int q = column - p * kStride;
          if (q < 0 || q >= kKernel) continue;
#pragma unroll
          for (int j = 0; j < kChannels; ++j) acc[p][j] += widen<A>(x.v[j]) * widen<A>(taps[q].v[j]);
        }
      }
    } else {
      for (int q = 0; q < kernel_w; ++q) {
        const Four<T> tap = *reinterpret_cast<const Four<T>*>(w + q * src_pitch);
        for (int p = 0; p < kPixels; ++p) {
          const int iw = (ow + p) * s.stride_w + q * s.dilation_w - s.pad_left;
          if (iw < 0 || iw >= s.in_w) continue;
          const Four<T> x = *reinterpret_cast<const Four<T>*>(row + static_cast<int64_t>(iw) * src_pitch);
          for (int j = 0; j < kChannels; ++j) acc[p][j] += widen<A>(x.v[j]) * widen<A>(tap.v[j]);
        }
      }
    }
  }
  if constexpr (kPlain) {
    // Channels behind the last one have weights of zero, and no numbers of their own.
    float scale[kChannels], bias[kChannels];
#pragma unroll
    for (int j = 0; j < kChannels; ++j) {
      const bool real = c + j < s.out_c;
      scale[j] = real ? epilogue.scale[c + j] * dst.inv_scale : 0.0f;
      bias[j] = real && epilogue.bias != nullptr ? epilogue.bias[c + j] * dst.inv_scale : 0.0f;
    }
    int8_t* to = static_cast<int8_t*>(dst.data) + ((n * s.out_h + oh) * s.out_w + ow) * dst.pitch + c;
#pragma unroll
    for (int p = 0; p < kPixels; ++p) {
      if (ow + p >= s.out_w) break;
      int q[kChannels];
#pragma unroll
      for (int j = 0; j < kChannels; ++j) {
        const float r = fmaf(static_cast<float>(acc[p][j]), scale[j], bias[j]);
        q[j] = __float2int_rn(fminf(fmaxf(r, bounds.low), bounds.high));
      }
      *reinterpret_cast<char4*>(to) = make_char4(static_cast<signed char>(q[0]), static_cast<signed char>(q[1]),
                                                 static_cast<signed char>(q[2]), static_cast<signed char>(q[3]));
      to += dst.pitch;
    }
  } else {
#pragma unroll
    for (int p = 0; p < kPixels; ++p) {
      if (ow + p >= s.out_w) break;
      const int64_t pixel = (n * s.out_h + oh) * s.out_w + ow + p;
      float r[kChannels];
#pragma unroll
      for (int j = 0; j < kChannels; ++j) {
        r[j] = c + j < s.out_c ? finish(epilogue, static_cast<float>(acc[p][j]), pixel, c + j) : 0.0f;
      }
      const int64_t at = pixel * dst.pitch + c;
      if (dst.elem == Elem::S8 && dst.pitch % kChannels == 0) {
        const float q = dst.inv_scale;
        *reinterpret_cast<char4*>(static_cast<int8_t*>(dst.data) + at) =
            make_char4(static_cast<signed char>(round_s8(r[0] * q)), static_cast<signed char>(round_s8(r[1] * q)),
                       static_cast<signed char>(round_s8(r[2] * q)), static_cast<signed char>(round_s8(r[3] * q)));
      } else {
        for (int j = 0; j < kChannels && c + j < dst.pitch; ++j) {
          store(dst.data, dst.elem, at + j, dst.elem == Elem::S8 ? r[j] * dst.inv_scale : r[j]);
        }
      }
    }
  }
}

// The bounds that the activations are, in the target's steps; false where they are more.
bool bounds_of(const ConvEpilogue& e, const Target& dst, Bounds& bounds) {
  bounds = {-128.0f, 127.0f};
  if (e.scale == nullptr || e.residual.data != nullptr || dst.elem != Elem::S8 || dst.pitch % kChannels != 0)
    return false;
  for (const Act& act : {e.before, e.after}) {
    if (act.kind == ActKind::None) continue;
    if (act.kind != ActKind::Relu && act.kind != ActKind::Clip) return false;
    const float low = act.kind == ActKind::Relu ? 0.0f : act.alpha * dst.inv_scale;
    bounds.low = fmaxf(bounds.low, low);
    if (act.kind == ActKind::Clip) bounds.high = fminf(bounds.high, act.beta * dst.inv_scale);
  }
  return bounds.low <= bounds.high;
}

template <typename T, bool kPlain>
void launch(cudaStream_t stream, const ConvShape& shape, const View& src, const void* weights,
            const ConvEpilogue& epilogue, const Bounds& bounds, const Target& dst) {
  const int groups = static_cast<int>(src.pitch / kChannels);
  const int strips = (shape.out_w + kPixels - 1) / kPixels;
  const int64_t count = static_cast<int64_t>(shape.batch) * shape.out_h * strips * groups;
  if (count > UINT32_MAX - kThreads) check_cuda(cudaErrorInvalidValue, "depthwise: more than four billion words");
  const bool plain = shape.kernel_h == shape.kernel_w && shape.stride_h == shape.stride_w && shape.dilation_h == 1 &&
                     shape.dilation_w == 1;
  const auto run = [&](auto kernel) {
    kernel<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(shape, static_cast<const T*>(src.data), src.pitch,
                                                                 static_cast<const T*>(weights), epilogue, bounds, dst,
                                                                 groups, strips, static_cast<unsigned>(count));
  };
  if (plain && shape.kernel_h == 3 && shape.stride_h == 1) {
    run(depthwise_rows<T, 3, 1, kPlain>);
  } else if (plain && shape.kernel_h == 3 && shape.stride_h == 2) {
    run(depthwise_rows<T, 3, 2, kPlain>);
  } else if (plain && shape.kernel_h == 5 && shape.stride_h == 1) {
    run(depthwise_rows<T, 5, 1, kPlain>);
  } else if (plain && shape.kernel_h == 5 && shape.stride_h == 2) {
    run(depthwise_rows<T, 5, 2, kPlain>);
  } else {
    run(depthwise_rows<T, 0, 0, kPlain>);
  }
  check_launch("depthwise");
}

}  // namespace

void depthwise(cudaStream_t stream, const ConvShape& shape, const View& src, const void* weights,
               const ConvEpilogue& epilogue, const Target& dst) {
  Bounds bounds{};
  visit_float_or_s8(src.elem, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (sizeof(T) == 1) {
      if (bounds_of(epilogue, dst, bounds)) return launch<T, true>(stream, shape, src, weights, epilogue, bounds, dst);
    }
    launch<T, false>(stream, shape, src, weights, epilogue, bounds, dst);
  });
}

}  // namespace tfengine::cuda
