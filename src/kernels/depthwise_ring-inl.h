// SPDX-License-Identifier: Apache-2.0
// INT8 depthwise convolution of any kernel size. Input rows 2p and 2p + 1 are widened and interleaved once ("pair row" p)
// into a ring that stays in the first-level cache, with the padding written out, and every output row is a sum over
// pair rows. An output row that starts at an odd row takes the same pair rows with weights shifted by one row.
#if defined(TFENGINE_KERNELS_DEPTHWISE_RING_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_DEPTHWISE_RING_INL_H_
#undef TFENGINE_KERNELS_DEPTHWISE_RING_INL_H_
#else
#define TFENGINE_KERNELS_DEPTHWISE_RING_INL_H_
#endif

#include <limits>

#include "kernels/depthwise_block-inl.h"
#include "kernels/epilogue_tile.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Depth multipliers above 1: lane i takes input channel (channel + i) / multiplier. Rare, so not vectorised.
template <class T>
HWY_INLINE hn::Vec<D16> gather_pixel(const T* pixel, const Block& b, int64_t multiplier) {
  HWY_ALIGN int16_t wide[32] = {};
  for (int64_t i = 0; i < b.channels; ++i) wide[i] = pixel[(b.channel + i) / multiplier];
  return hn::Load(D16(), wide);
}

// Writes columns [u0, u0 + ring_cols) of the pair row of virtual rows v and v + 1. Columns count from the left padding.
template <class T>
void expand_pair(const DepthwiseInt8Args& args, const DepthwisePlan::Unit& unit, const Block& b, int64_t v, int64_t u0,
                 int64_t cols, int16_t* HWY_RESTRICT ring) {
  const DepthwiseShape& s = *args.shape;
  const D16 d16;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d16));
  const int64_t step = s.src_pixel_stride;
  const T* image = reinterpret_cast<const T*>(args.src) + unit.image * s.in_h * s.in_w * step;
  const T* end = reinterpret_cast<const T*>(args.src) + (s.batch * s.in_h * s.in_w - 1) * step + s.channels;
  alignas(64) T beyond[64];
  std::fill_n(beyond, 64, static_cast<T>(s.pad_value));
  const auto pad = hn::Set(d16, static_cast<int16_t>(s.pad_value));
  const T* row[2];
  int64_t row_step[2];
  int64_t safe_cols = s.in_w;  // pixels before this one may be read a whole vector at a time
  for (int i = 0; i < 2; ++i) {
    const int64_t y = unit.first_in_row + (v + i) * args.plan->row_step;
    const bool inside = y >= 0 && y < s.in_h;
    row[i] = inside ? image + y * s.in_w * step : beyond;
    row_step[i] = inside ? step : 0;
    if (inside && s.multiplier == 1) {
      row[i] += b.channel;
      const int64_t left = end - row[i] - lanes;
      if (left < (s.in_w - 1) * step) safe_cols = std::min(safe_cols, left < 0 ? 0 : left / step + 1);
    }
  }
  const auto store = [&](int64_t col, hn::Vec<D16> first, hn::Vec<D16> second) HWY_ATTR {
    hn::Store(hn::InterleaveLower(d16, first, second), d16, ring + col * 2 * lanes);
    hn::Store(hn::InterleaveUpper(d16, first, second), d16, ring + col * 2 * lanes + lanes);
  };
  const int64_t begin = std::clamp<int64_t>(s.pad_left - u0, 0, cols);              // first column inside the image
  const int64_t stop = std::clamp<int64_t>(s.in_w + s.pad_left - u0, begin, cols);  // first column behind it
  for (int64_t col = 0; col < begin; ++col) store(col, pad, pad);
  for (int64_t col = stop; col < cols; ++col) store(col, pad, pad);
  const int64_t x0 = u0 - s.pad_left;  // input column of ring column 0
  int64_t col = begin;
  if (s.multiplier != 1) {
    for (; col < stop; ++col) {
      const auto take = [&](int i) HWY_ATTR {
        return row_step[i] == 0 ? pad : gather_pixel(row[i] + (x0 + col) * step, b, s.multiplier);
      };
      store(col, take(0), take(1));
    }
    return;
  }
  const hn::Rebind<T, D16> d8;
  const T* p0 = row[0] + (x0 + col) * row_step[0];
  const T* p1 = row[1] + (x0 + col) * row_step[1];
  const int64_t safe = std::min(stop, safe_cols - x0);
  for (; col < safe; ++col, p0 += row_step[0], p1 += row_step[1]) {
    store(col, hn::PromoteTo(d16, hn::LoadU(d8, p0)), hn::PromoteTo(d16, hn::LoadU(d8, p1)));
  }
  for (; col < stop; ++col, p0 += row_step[0], p1 += row_step[1]) {
    store(col, load_pixel(p0, row_step[0] == 0 ? lanes : end - p0),
          load_pixel(p1, row_step[1] == 0 ? lanes : end - p1));
  }
}

// Where the sums of a row come from: pair rows of the ring, weights in the same order, and steps in elements.
struct RowSource {
  const int16_t* const* rows;
  const int16_t* weights;
  int64_t pairs, width;
  int64_t pixel_step, tap_step;
};

// Sums of kPixels neighbouring output pixels from ring column offset `at`, in the order of InterleaveLower and
// InterleaveUpper. kWidth 0: any kernel and step.
template <int kWidth, int kPixels>
struct Accumulate {
  static HWY_INLINE void run(const RowSource& src, int64_t at, V32 (&lo)[kPixels], V32 (&hi)[kPixels]) {
    const D16 d16;
    const D32 d32;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d16));
    const int16_t* HWY_RESTRICT w = src.weights;
    V32 lo2[kPixels], hi2[kPixels];  // used where a product's two halves are summed apart (not on x86)
#pragma GCC unroll 4
    for (int q = 0; q < kPixels; ++q) lo[q] = hi[q] = lo2[q] = hi2[q] = hn::Zero(d32);
    for (int64_t p = 0; p < src.pairs; ++p) {
      const int16_t* tap = src.rows[p] + at;
      for (int64_t k = 0; k < src.width; ++k, tap += src.tap_step, w += 2 * lanes) {
        const auto w_lo = hn::Load(d16, w);
        const auto w_hi = hn::Load(d16, w + lanes);
        const int16_t* pixel = tap;
#pragma GCC unroll 4
        for (int q = 0; q < kPixels; ++q, pixel += src.pixel_step) {
          lo[q] = hn::ReorderWidenMulAccumulate(d32, hn::Load(d16, pixel), w_lo, lo[q], lo2[q]);
          hi[q] = hn::ReorderWidenMulAccumulate(d32, hn::Load(d16, pixel + lanes), w_hi, hi[q], hi2[q]);
        }
      }
    }
#pragma GCC unroll 4
    for (int q = 0; q < kPixels; ++q) {
      lo[q] = hn::RearrangeToOddPlusEven(lo[q], lo2[q]);
      hi[q] = hn::RearrangeToOddPlusEven(hi[q], hi2[q]);
    }
  }
};

// Neighbouring pixels and taps read neighbouring columns: each column is loaded once for all pixels that use it, with a row
// of weights in registers. A third fewer loads than the general form. The two halves of the lanes are summed one after
// the other: with both at once the compiler runs out of registers.
template <int kWidth, int kPixels>
struct AccumulateUnit {
  static HWY_INLINE void half(const RowSource& src, int64_t at, int64_t offset, V32 (&sum)[kPixels]) {
    const D16 d16;
    const D32 d32;
    const int64_t step = 2 * static_cast<int64_t>(hn::Lanes(d16));
    const int16_t* w = src.weights + offset;
    V32 sum2[kPixels];
#pragma GCC unroll 4
    for (int q = 0; q < kPixels; ++q) sum[q] = sum2[q] = hn::Zero(d32);
    for (int64_t p = 0; p < src.pairs; ++p, w += kWidth * step) {
      const int16_t* column = src.rows[p] + at + offset;
      hn::Vec<D16> weight[kWidth];
#pragma GCC unroll 5
      for (int k = 0; k < kWidth; ++k) weight[k] = hn::Load(d16, w + k * step);
#pragma GCC unroll 8
      for (int i = 0; i < kPixels + kWidth - 1; ++i) {
        const auto x = hn::Load(d16, column + i * step);
#pragma GCC unroll 5
        for (int k = 0; k < kWidth; ++k) {
          const int q = i - k;
          if (q >= 0 && q < kPixels) sum[q] = hn::ReorderWidenMulAccumulate(d32, x, weight[k], sum[q], sum2[q]);
        }
      }
    }
#pragma GCC unroll 4
    for (int q = 0; q < kPixels; ++q) sum[q] = hn::RearrangeToOddPlusEven(sum[q], sum2[q]);
  }
  static HWY_INLINE void run(const RowSource& src, int64_t at, V32 (&lo)[kPixels], V32 (&hi)[kPixels]) {
    half(src, at, 0, lo);
    half(src, at, static_cast<int64_t>(hn::Lanes(D16())), hi);
  }
};

// Sums as floats in channel order, for what store_fast cannot do. Sums stay exact: |sum| < 2^24 up to 518 taps, and
// beyond that the conversion rounds like any float arithmetic after it.
HWY_INLINE void store_sums(V32 lo, V32 hi, float* HWY_RESTRICT acc) {
  const D32 d32;
  const DF df;
  const size_t n = hn::Lanes(df);
  constexpr size_t kBlockLanes = 4;  // of 32 bits in a 128-bit block, the unit of the interleaving
  HWY_ALIGN float sums[64];
  hn::Store(hn::ConvertTo(df, lo), df, sums);
  hn::Store(hn::ConvertTo(df, hi), df, sums + n);
  (void)d32;
  for (size_t i = 0; i < n; i += kBlockLanes) {
    std::memcpy(acc + 2 * i, sums + i, 16);
    std::memcpy(acc + 2 * i + kBlockLanes, sums + n + i, 16);
  }
}

template <Store kStore, class T, template <int, int> class Sum, int kWidth>
HWY_INLINE void compute_row_with(const Block& b, const RowSource& src, int64_t cols, int64_t dst_step, T* dst) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D16()));
  float* acc = b.acc;
  const FastStore fast(b);
  const auto run = [&](auto pixels, int64_t x) HWY_ATTR {
    constexpr int kPixels = decltype(pixels)::value;
    V32 lo[kPixels], hi[kPixels];
    Sum<kWidth, kPixels>::run(src, x * src.pixel_step, lo, hi);
#pragma GCC unroll 4
    for (int q = 0; q < kPixels; ++q) {
      if constexpr (kStore == Store::Sums) {
        store_sums(lo[q], hi[q], acc + (x + q) * lanes);
      } else {
        store_fast<kStore == Store::ClampedBytes>(fast, lo[q], hi[q], dst + (x + q) * dst_step);
      }
    }
  };
  int64_t x = 0;
  for (; x + 4 <= cols; x += 4) run(std::integral_constant<int, 4>(), x);
  if (cols - x >= 2) run(std::integral_constant<int, 2>(), x), x += 2;
  if (cols - x >= 1) run(std::integral_constant<int, 1>(), x);
}

template <Store kStore, class T>
void compute_row(const Block& b, const RowSource& src, int64_t cols, int64_t dst_step, T* dst) {
  const bool unit = src.pixel_step == src.tap_step && src.tap_step == 2 * static_cast<int64_t>(hn::Lanes(D16()));
  if (unit && src.width == 3) return compute_row_with<kStore, T, AccumulateUnit, 3>(b, src, cols, dst_step, dst);
  if (unit && src.width == 5) return compute_row_with<kStore, T, AccumulateUnit, 5>(b, src, cols, dst_step, dst);
  compute_row_with<kStore, T, Accumulate, 0>(b, src, cols, dst_step, dst);
}

template <class T>
void compute_bytes(const Block& b, const RowSource& src, int64_t cols, int64_t dst_step, T* dst) {
  if (b.low == std::numeric_limits<T>::lowest() && b.high == std::numeric_limits<T>::max()) {
    compute_row<Store::Bytes>(b, src, cols, dst_step, dst);
  } else {
    compute_row<Store::ClampedBytes>(b, src, cols, dst_step, dst);
  }
}

template <class T>
void run_ring_block(const DepthwiseInt8Args& args, const DepthwisePlan::Unit& unit, const DepthwiseInt8Layout& layout,
                    Block& b, uint8_t* scratch) {
  const DepthwiseShape& s = *args.shape;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D16()));
  int16_t* ring = reinterpret_cast<int16_t*>(scratch);
  const int64_t ring_row = layout.ring_cols * 2 * lanes;
  const int64_t pairs = layout.pair_rows;
  const int64_t dst_bytes = args.epilogue->dst_elem == Elem::F32 ? 4 : 1;
  const int16_t** rows = reinterpret_cast<const int16_t**>(scratch + layout.rows_at);
  RowSource src{rows, nullptr, pairs, s.kernel_w, s.stride_w * 2 * lanes, s.dilation_w * 2 * lanes};
  for (int64_t x0 = 0; x0 < s.out_w; x0 += layout.tile_cols) {
    const int64_t cols = std::min(layout.tile_cols, s.out_w - x0);
    const int64_t in_cols = (cols - 1) * s.stride_w + (s.kernel_w - 1) * s.dilation_w + 1;
    int64_t next_pair = unit.first_v / 2;
    int64_t rows_of = -1;  // the pair that rows[0] is
    for (int64_t t = 0; t < unit.rows; ++t) {
      const int64_t v = unit.first_v + t * args.plan->v_stride;
      // A start that skips pair rows (a stride above the kernel's height) leaves them unbuilt.
      next_pair = std::max(next_pair, v / 2);
      for (; next_pair < v / 2 + pairs; ++next_pair) {
        int16_t* to = ring + next_pair % pairs * ring_row;
        expand_pair<T>(args, unit, b, 2 * next_pair, x0 * s.stride_w, in_cols, to);
      }
      if (rows_of != v / 2) {
        rows_of = v / 2;
        int64_t slot = rows_of % pairs;
        for (int64_t p = 0; p < pairs; ++p, slot = slot + 1 == pairs ? 0 : slot + 1) rows[p] = ring + slot * ring_row;
      }
      src.weights = b.weights[v % 2];
      const int64_t y = unit.first_out_row + t * args.plan->class_step;
      const int64_t pixel = (unit.image * s.out_h + y) * s.out_w + x0;
      uint8_t* dst = args.dst + (pixel * s.dst_pixel_stride + b.channel) * dst_bytes;
      if (!b.fast) {
        compute_row<Store::Sums>(b, src, cols, s.dst_pixel_stride, dst);
        finish_tile(*args.epilogue, EpilogueTile<float>{b.acc, lanes, cols, b.channels, pixel, b.channel, args.dst,
                                                        s.dst_pixel_stride});
      } else if (args.epilogue->dst_elem == Elem::S8) {
        compute_bytes(b, src, cols, s.dst_pixel_stride, reinterpret_cast<int8_t*>(dst));
      } else {
        compute_bytes(b, src, cols, s.dst_pixel_stride, dst);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
