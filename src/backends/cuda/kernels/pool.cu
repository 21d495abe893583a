// SPDX-License-Identifier: Apache-2.0
#include <cfloat>

#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

constexpr int kThreads = 128;

template <typename T, int kChannels>
struct alignas(sizeof(T) * kChannels) Pack {
  T v[kChannels];
};

// `kChannels` channels of one output pixel a thread; without kAverage the maximum.
template <typename T, int kChannels, bool kAverage>
__global__ void __launch_bounds__(kThreads)
    pool_pixels(ConvShape s, View src, Act act, Target dst, int groups, int64_t count, float factor) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const int64_t pixel = i / groups;
  const int c = static_cast<int>(i - pixel * groups) * kChannels;
  const int ow = static_cast<int>(pixel % s.out_w);
  const int oh = static_cast<int>(pixel / s.out_w % s.out_h);
  const int64_t n = pixel / s.out_w / s.out_h;
  float r[kChannels];
#pragma unroll
  for (int j = 0; j < kChannels; ++j) r[j] = kAverage ? 0.0f : -FLT_MAX;
  int inside = 0;
  for (int y = 0; y < s.kernel_h; ++y) {
    const int ih = oh * s.stride_h + y - s.pad_top;
    if (ih < 0 || ih >= s.in_h) continue;
    for (int x = 0; x < s.kernel_w; ++x) {
      const int iw = ow * s.stride_w + x - s.pad_left;
      if (iw < 0 || iw >= s.in_w) continue;
      ++inside;
      const auto pack = *reinterpret_cast<const Pack<T, kChannels>*>(static_cast<const T*>(src.data) +
                                                                     ((n * s.in_h + ih) * s.in_w + iw) * src.pitch + c);
#pragma unroll
      for (int j = 0; j < kChannels; ++j) {
        const float value = to_float(pack.v[j]);
        r[j] = kAverage ? r[j] + value : fmaxf(r[j], value);
      }
    }
  }
  const float mean = kAverage ? src.scale / static_cast<float>(max(inside, 1)) : src.scale;
#pragma unroll
  for (int j = 0; j < kChannels; ++j) r[j] = apply(act, r[j] * mean);
  const int64_t at = pixel * dst.pitch + c;
  if (dst.elem == Elem::S8 && sizeof(T) == 1) {
    // The same channels of the same width: one wide store. `factor` is the target's, exact where nothing is rescaled.
    Pack<int8_t, kChannels> q;
#pragma unroll
    for (int j = 0; j < kChannels; ++j) q.v[j] = static_cast<int8_t>(round_s8(r[j] * factor));
    *reinterpret_cast<Pack<int8_t, kChannels>*>(static_cast<int8_t*>(dst.data) + at) = q;
    return;
  }
#pragma unroll
  for (int j = 0; j < kChannels; ++j) {
    if (c + j < dst.pitch) store(dst.data, dst.elem, at + j, dst.elem == Elem::S8 ? r[j] * factor : r[j]);
  }
}

constexpr int kMeanChannels = 4, kMeanLanes = 8;

template <typename T>
__global__ void __launch_bounds__(32 * kMeanLanes)
    mean_pixels(int pixels, int channels, View src, Act act, Target dst, float divisor) {
  __shared__ float sums[kMeanLanes][32][kMeanChannels];
  const int c = (static_cast<int>(blockIdx.x) * 32 + static_cast<int>(threadIdx.x)) * kMeanChannels;
  const int64_t n = blockIdx.y;
  float sum[kMeanChannels] = {};
  if (c < channels) {
    const T* from = static_cast<const T*>(src.data) + n * pixels * src.pitch + c;
    const bool whole = c + kMeanChannels <= src.pitch && src.pitch % kMeanChannels == 0;
    for (int p = static_cast<int>(threadIdx.y); p < pixels; p += kMeanLanes) {
      const T* at = from + static_cast<int64_t>(p) * src.pitch;
      if (whole) {
        const auto pack = *reinterpret_cast<const Pack<T, kMeanChannels>*>(at);
#pragma unroll
        for (int j = 0; j < kMeanChannels; ++j) sum[j] += to_float(pack.v[j]);
      } else {
        for (int j = 0; j < kMeanChannels && c + j < channels; ++j) sum[j] += to_float(at[j]);
      }
    }
  }
#pragma unroll
  for (int j = 0; j < kMeanChannels; ++j) sums[threadIdx.y][threadIdx.x][j] = sum[j];
  __syncthreads();
  if (threadIdx.y != 0) return;
  for (int lane = 1; lane < kMeanLanes; ++lane) {
    for (int j = 0; j < kMeanChannels; ++j) sum[j] += sums[lane][threadIdx.x][j];
  }
  for (int j = 0; j < kMeanChannels && c + j < dst.pitch; ++j) {
    const float r = c + j < channels ? apply(act, sum[j] * divisor) : 0.0f;
    store(dst.data, dst.elem, n * dst.pitch + c + j, dst.elem == Elem::S8 ? r * dst.inv_scale : r);
  }
}

template <typename T, int kChannels>
void launch_pool(cudaStream_t stream, PoolKind kind, const ConvShape& s, const View& src, const Act& act,
                 const Target& dst) {
  const int groups = (s.out_c + kChannels - 1) / kChannels;
  const int64_t count = static_cast<int64_t>(s.batch) * s.out_h * s.out_w * groups;
  const unsigned blocks = blocks_for(count, kThreads);
  if (kind == PoolKind::Max) {
    pool_pixels<T, kChannels, false><<<blocks, kThreads, 0, stream>>>(s, src, act, dst, groups, count, dst.inv_scale);
  } else {
    pool_pixels<T, kChannels, true><<<blocks, kThreads, 0, stream>>>(s, src, act, dst, groups, count, dst.inv_scale);
  }
}

}  // namespace

void pool(cudaStream_t stream, PoolKind kind, const ConvShape& shape, const View& src, const Act& act,
          const Target& dst) {
  const auto all = [&](int64_t channels) { return src.pitch % channels == 0 && dst.pitch % channels == 0; };
  visit_float_or_s8(src.elem, [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr int kWide = 16 / static_cast<int>(sizeof(T));
    if (all(kWide)) {
      launch_pool<T, kWide>(stream, kind, shape, src, act, dst);
    } else {
      launch_pool<T, 1>(stream, kind, shape, src, act, dst);
    }
  });
  check_launch("pool");
}

void global_mean(cudaStream_t stream, int batch, int pixels, int channels, const View& src, const Act& act,
                 const Target& dst) {
  const dim3 blocks(blocks_for(dst.pitch, 32 * kMeanChannels), static_cast<unsigned>(batch));
  const float divisor = src.scale / static_cast<float>(pixels);
  visit_float_or_s8(src.elem, [&](auto tag) {
    using T = typename decltype(tag)::type;
    mean_pixels<T><<<blocks, dim3(32, kMeanLanes), 0, stream>>>(pixels, channels, src, act, dst, divisor);
  });
  check_launch("global_mean");
}

}  // namespace tfengine::cuda
