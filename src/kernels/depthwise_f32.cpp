// SPDX-License-Identifier: Apache-2.0
// Float depthwise convolution. Columns whose taps all lie inside the image are computed four at a time straight from the
// source; the few at the borders one at a time, over the taps that exist.
#include <cstring>

#include "kernels/depthwise_plan.h"
#include "kernels/eltwise_clamp.h"
#include "kernels/epilogue_tile.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#ifndef TFENGINE_KERNELS_DEPTHWISE_F32_ONCE
#define TFENGINE_KERNELS_DEPTHWISE_F32_ONCE
namespace tfengine::kernels {

struct DepthwiseF32Args {
  const DepthwiseShape* shape;
  const DepthwisePlan* plan;
  const float* src;
  const float* weights;
  const Epilogue* epilogue;
  void* dst;
};

inline constexpr int64_t kDepthwiseF32Lanes = 16;  // of the longest vector used, AVX-512
// Bytes for the sums of one row of one group, for epilogues that do more than clamp.
inline size_t depthwise_f32_scratch(const DepthwiseShape& s) {
  // A group's channels, rounded up to whole vectors.
  return (static_cast<size_t>(s.out_w * (kDepthwiseGroup + kDepthwiseF32Lanes)) * sizeof(float) + 63) / 64 * 64;
}

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::CappedTag<float, kDepthwiseF32Lanes>;
using VF = hn::Vec<DF>;

// One channel block of one output row. Fewer channels than lanes only when the tensor has fewer.
struct RowBlock {
  int64_t channel;     // first channel loaded
  int64_t skip;        // lanes that an earlier block has stored
  int64_t channels;    // lanes that exist
  const float* src;    // of the row's first tap row and pixel 0, at `channel`
  int64_t ky0, ky1;    // tap rows inside the image
  int64_t row_stride;  // elements between tap rows
  bool fast;
  VF scale, bias, low, high;
  float* acc;
  float* dst;  // of output pixel 0 of the row, at `channel`
};

HWY_INLINE VF load_channels(const float* from, int64_t channels) {
  const DF df;
  if (HWY_LIKELY(channels >= static_cast<int64_t>(hn::Lanes(df)))) return hn::LoadU(df, from);
  HWY_ALIGN float all[kDepthwiseF32Lanes] = {};
  std::memcpy(all, from, static_cast<size_t>(channels) * sizeof(float));
  return hn::Load(df, all);
}

HWY_INLINE void store_sum(const DepthwiseShape& s, const RowBlock& b, int64_t x, VF sum) {
  const DF df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  if (!b.fast) {
    hn::StoreU(sum, df, b.acc + x * lanes);
    return;
  }
  sum = hn::Min(hn::Max(hn::MulAdd(sum, b.scale, b.bias), b.low), b.high);
  float* dst = b.dst + x * s.dst_pixel_stride;
  if (HWY_LIKELY(b.channels - b.skip == lanes)) {
    hn::StoreU(sum, df, dst);
    return;
  }
  HWY_ALIGN float all[kDepthwiseF32Lanes];
  hn::Store(sum, df, all);
  std::memcpy(dst + b.skip, all + b.skip, static_cast<size_t>(b.channels - b.skip) * sizeof(float));
}

// kPixels pixels from output column x on, all taps of a row inside. kWidth: kernel width or 0; kUnit: neighbouring pixels
// and taps read neighbouring columns, so that a column is loaded once for all of them.
template <int kWidth, bool kUnit, int kPixels>
HWY_INLINE void inner_pixels(const DepthwiseShape& s, const RowBlock& b, const float* weights, int64_t out_channels,
                             int64_t x) {
  const DF df;
  const int64_t width = kWidth ? kWidth : s.kernel_w;
  const int64_t step = s.src_pixel_stride;
  const int64_t pixel = kUnit ? step : step * s.stride_w;
  const int64_t tap = kUnit ? step : step * s.dilation_w;
  VF sum[kPixels];
#pragma GCC unroll 4
  for (int q = 0; q < kPixels; ++q) sum[q] = hn::Zero(df);
  const float* r = b.src + b.ky0 * b.row_stride + (x * s.stride_w - s.pad_left) * step;
  const float* w = weights + b.ky0 * width * out_channels + b.channel;
  for (int64_t ky = b.ky0; ky < b.ky1; ++ky, r += b.row_stride) {
    if constexpr (kUnit) {
      VF weight[kWidth];
#pragma GCC unroll 5
      for (int k = 0; k < kWidth; ++k) weight[k] = hn::LoadU(df, w + k * out_channels);
#pragma GCC unroll 8
      for (int i = 0; i < kWidth + kPixels - 1; ++i) {
        const auto column = hn::LoadU(df, r + i * step);
#pragma GCC unroll 5
        for (int k = 0; k < kWidth; ++k) {
          if (i - k >= 0 && i - k < kPixels) sum[i - k] = hn::MulAdd(column, weight[k], sum[i - k]);
        }
      }
      w += kWidth * out_channels;
    } else {
      const float* p = r;
      for (int64_t k = 0; k < width; ++k, p += tap, w += out_channels) {
        const auto wk = hn::LoadU(df, w);
#pragma GCC unroll 4
        for (int q = 0; q < kPixels; ++q) sum[q] = hn::MulAdd(hn::LoadU(df, p + q * pixel), wk, sum[q]);
      }
    }
  }
#pragma GCC unroll 4
  for (int q = 0; q < kPixels; ++q) store_sum(s, b, x + q, sum[q]);
}

// Any pixel, any channel count, depth multipliers included.
HWY_INLINE void one_pixel(const DepthwiseShape& s, const RowBlock& b, const float* weights, int64_t out_channels,
                          int64_t x) {
  const DF df;
  VF sum = hn::Zero(df);
  for (int64_t ky = b.ky0; ky < b.ky1; ++ky) {
    for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
      const int64_t ix = x * s.stride_w - s.pad_left + kx * s.dilation_w;
      if (ix < 0 || ix >= s.in_w) continue;
      const float* p = b.src + ky * b.row_stride + ix * s.src_pixel_stride;
      const auto w = load_channels(weights + (ky * s.kernel_w + kx) * out_channels + b.channel, b.channels);
      if (s.multiplier == 1) {
        sum = hn::MulAdd(load_channels(p, b.channels), w, sum);
      } else {
        HWY_ALIGN float gathered[kDepthwiseF32Lanes] = {};
        for (int64_t i = 0; i < b.channels; ++i) gathered[i] = p[(b.channel + i) / s.multiplier];
        sum = hn::MulAdd(hn::Load(df, gathered), w, sum);
      }
    }
  }
  store_sum(s, b, x, sum);
}

// A row of all blocks of a group. Pixels are the outer loop: their channels lie side by side in memory, so each cache line
// is used whole while it is near.
template <int kWidth, bool kUnit>
void run_row_as(const DepthwiseShape& s, const RowBlock* blocks, int64_t num_blocks, const float* weights,
                int64_t out_channels, int64_t inner, int64_t outer) {
  int64_t x = 0;
  const auto each = [&](auto&& run) HWY_ATTR {
    for (int64_t i = 0; i < num_blocks; ++i) run(blocks[i]);
  };
  const auto one = [&](const RowBlock& b) HWY_ATTR { one_pixel(s, b, weights, out_channels, x); };
  for (; x < inner; ++x) each(one);
  for (; x + 4 <= outer; x += 4) {
    each([&](const RowBlock& b) HWY_ATTR { inner_pixels<kWidth, kUnit, 4>(s, b, weights, out_channels, x); });
  }
  if (x + 2 <= outer) {
    each([&](const RowBlock& b) HWY_ATTR { inner_pixels<kWidth, kUnit, 2>(s, b, weights, out_channels, x); });
    x += 2;
  }
  for (; x < s.out_w; ++x) each(one);
}

void run_row(const DepthwiseShape& s, const RowBlock* blocks, int64_t num_blocks, const float* weights,
             int64_t out_channels) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(DF()));
  const int64_t span = (s.kernel_w - 1) * s.dilation_w + 1;
  // Columns [inner, outer) have all their taps inside.
  int64_t inner = (s.pad_left + s.stride_w - 1) / s.stride_w;
  int64_t outer = s.in_w + s.pad_left >= span ? (s.in_w + s.pad_left - span) / s.stride_w + 1 : 0;
  outer = std::min(outer, s.out_w);
  if (s.multiplier != 1 || blocks[0].channels < lanes) inner = s.out_w;
  inner = std::min(inner, s.out_w);
  const bool unit = s.stride_w == 1 && s.dilation_w == 1;
  if (unit && s.kernel_w == 3) return run_row_as<3, true>(s, blocks, num_blocks, weights, out_channels, inner, outer);
  if (unit && s.kernel_w == 5) return run_row_as<5, true>(s, blocks, num_blocks, weights, out_channels, inner, outer);
  run_row_as<0, false>(s, blocks, num_blocks, weights, out_channels, inner, outer);
}

void depthwise_f32_units(const DepthwiseF32Args& args, int64_t begin, int64_t end, float* acc) {
  const DF df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const DepthwiseShape& s = *args.shape;
  const Epilogue& e = *args.epilogue;
  const int64_t out_channels = args.plan->out_channels;
  ClampRange range;
  const bool fast = e.dst_elem == Elem::F32 && only_clamps(e, range);
  for (int64_t i = begin; i < end; ++i) {
    const DepthwisePlan::Unit unit = args.plan->unit(s, i);
    const int64_t first = unit.group * kDepthwiseGroup;
    const int64_t last = std::min(first + kDepthwiseGroup, out_channels);
    RowBlock blocks[kDepthwiseGroup / 4];  // vectors have four lanes or more
    int64_t num_blocks = 0;
    for (int64_t c = first; c < last; c += lanes) {
      RowBlock& b = blocks[num_blocks];
      b.skip = out_channels >= lanes ? std::max<int64_t>(c + lanes - out_channels, 0) : 0;
      b.channel = c - b.skip;
      b.channels = std::min(lanes, out_channels);
      b.row_stride = s.dilation_h * s.in_w * s.src_pixel_stride;
      b.fast = fast;
      b.scale = e.scale ? load_channels(e.scale + b.channel, b.channels) : hn::Set(df, 1.0f);
      b.bias = e.bias ? load_channels(e.bias + b.channel, b.channels) : hn::Zero(df);
      b.low = hn::Set(df, range.low);
      b.high = hn::Set(df, range.high);
      b.acc = acc + num_blocks++ * lanes * s.out_w;
    }
    for (int64_t t = 0; t < unit.rows; ++t) {
      const int64_t y = unit.first_out_row + t * args.plan->class_step;
      const int64_t iy = y * s.stride_h - s.pad_top;
      const int64_t pixel = (unit.image * s.out_h + y) * s.out_w;
      for (int64_t k = 0; k < num_blocks; ++k) {
        RowBlock& b = blocks[k];
        b.ky0 = iy < 0 ? std::min((-iy + s.dilation_h - 1) / s.dilation_h, s.kernel_h) : 0;
        b.ky1 = iy < s.in_h ? std::min((s.in_h - 1 - iy) / s.dilation_h + 1, s.kernel_h) : 0;
        b.src =
            args.src + (unit.image * s.in_h + iy) * s.in_w * s.src_pixel_stride + (s.multiplier == 1 ? b.channel : 0);
        b.dst = fast ? static_cast<float*>(args.dst) + pixel * s.dst_pixel_stride + b.channel : nullptr;
      }
      run_row(s, blocks, num_blocks, args.weights, out_channels);
      for (int64_t k = 0; k < num_blocks && !fast; ++k) {
        const RowBlock& b = blocks[k];
        finish_tile(e, EpilogueTile<float>{b.acc + b.skip, lanes, s.out_w, b.channels - b.skip, pixel,
                                           b.channel + b.skip, args.dst, s.dst_pixel_stride});
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {
HWY_EXPORT(depthwise_f32_units);
}

size_t depthwise_f32_packed_bytes(const DepthwiseShape& s) {
  return static_cast<size_t>(s.kernel_h * s.kernel_w * s.channels * s.multiplier) * sizeof(float);
}

// TensorFlow's order is already the one that vectors over channels want.
void depthwise_f32_pack(const DepthwiseShape& s, const float* weights, void* packed) {
  std::memcpy(packed, weights, depthwise_f32_packed_bytes(s));
}

size_t depthwise_f32_workspace_bytes(const DepthwiseShape& shape, int threads) {
  return depthwise_f32_scratch(shape) * static_cast<size_t>(std::max(threads, 1));
}

void depthwise_f32_run(const DepthwiseShape& shape, const float* src, const void* packed, const Epilogue& epilogue,
                       void* dst, void* workspace, int threads) {
  if (shape.batch * shape.out_h * shape.out_w * shape.channels == 0) return;
  const DepthwisePlan plan = plan_depthwise(shape, 4, threads);
  const DepthwiseF32Args args{&shape, &plan, src, static_cast<const float*>(packed), &epilogue, dst};
  // About 0.06 ns per tap and channel on one 3.5 GHz AVX2 core.
  const double total_ns = 0.06 * static_cast<double>(shape.batch * shape.out_h * shape.out_w * plan.out_channels *
                                                     shape.kernel_h * shape.kernel_w);
  parallel_ranges(
      plan.units, useful_threads(threads, total_ns, plan.units), [&](int64_t begin, int64_t end, int thread) {
        char* scratch = static_cast<char*>(workspace) + depthwise_f32_scratch(shape) * static_cast<size_t>(thread);
        HWY_DYNAMIC_DISPATCH(depthwise_f32_units)(args, begin, end, reinterpret_cast<float*>(scratch));
      });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
