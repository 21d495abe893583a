// SPDX-License-Identifier: Apache-2.0
// INT8 depthwise convolution of 3 x 3 kernels with stride 1 or 2, without a copy of the source: a patch of two pixels by one
// or two output rows is loaded, widened, interleaved and summed in registers. Rows of padding have their weights zeroed,
// columns of padding are left out, and only patches at the very end of the tensor are copied first, lest loads pass it.
#if defined(TFENGINE_KERNELS_DEPTHWISE_DIRECT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_DEPTHWISE_DIRECT_INL_H_
#undef TFENGINE_KERNELS_DEPTHWISE_DIRECT_INL_H_
#else
#define TFENGINE_KERNELS_DEPTHWISE_DIRECT_INL_H_
#endif

#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/depthwise_block-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Output pixels of a patch side by side. Two by two rows need eight accumulators, half of AVX2's registers.
constexpr int kPatchPixels = 2;

// The source of a patch: four rows (the fourth is read only for two output rows), columns `step` elements apart.
template <class T>
struct PatchSource {
  const T* rows[4];
  int64_t step;
};

// Column kColumn's share of the sums. w: weights for rows that start at an even row, then those for the odd, each 2 x 3
// interleaved pairs. Output row 1 starts one row below row 0, so it takes the same pairs with the odd weights.
template <int kColumn, int kStride, int kRows, class T>
HWY_INLINE void add_column(const PatchSource<T>& src, const int16_t* HWY_RESTRICT even, const int16_t* HWY_RESTRICT odd,
                           V32 (&lo)[kRows][kPatchPixels], V32 (&hi)[kRows][kPatchPixels],
                           V32 (&lo2)[kRows][kPatchPixels], V32 (&hi2)[kRows][kPatchPixels]) {
  const D16 d16;
  const D32 d32;
  const hn::Rebind<T, D16> d8;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d16));
  const auto load = [&](int row)
                        HWY_ATTR { return hn::PromoteTo(d16, hn::LoadU(d8, src.rows[row] + kColumn * src.step)); };
#pragma GCC unroll 2
  for (int p = 0; p < 2; ++p) {
    const auto first = load(2 * p);
    const auto second = p == 1 && kRows == 1 ? hn::Zero(d16) : load(2 * p + 1);
    const auto x_lo = hn::InterleaveLower(d16, first, second), x_hi = hn::InterleaveUpper(d16, first, second);
#pragma GCC unroll 2
    for (int q = 0; q < kPatchPixels; ++q) {
      const int k = kColumn - q * kStride;
      if (k < 0 || k >= 3) continue;
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
        const int16_t* w = (r == 0 ? even : odd) + (p * 3 + k) * 2 * lanes;
        lo[r][q] = hn::ReorderWidenMulAccumulate(d32, x_lo, hn::Load(d16, w), lo[r][q], lo2[r][q]);
        hi[r][q] = hn::ReorderWidenMulAccumulate(d32, x_hi, hn::Load(d16, w + lanes), hi[r][q], hi2[r][q]);
      }
    }
  }
}

// One patch, of which columns [c0, c1) exist if kCut, else all; stores its first `pixels` pixels.
template <int kStride, int kRows, bool kClamp, bool kCut, class T, class Dst>
HWY_INLINE void run_patch(const PatchSource<T>& src, const int16_t* even, const int16_t* odd, const FastStore& fast,
                          int c0, int c1, int pixels, Dst* const (&dst)[2], int64_t dst_step) {
  const D32 d32;
  V32 lo[kRows][kPatchPixels], hi[kRows][kPatchPixels], lo2[kRows][kPatchPixels], hi2[kRows][kPatchPixels];
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int q = 0; q < kPatchPixels; ++q) lo[r][q] = hi[r][q] = lo2[r][q] = hi2[r][q] = hn::Zero(d32);
  }
  const auto column = [&](auto index) HWY_ATTR {
    constexpr int kColumn = decltype(index)::value;
    if constexpr (kColumn < (kPatchPixels - 1) * kStride + 3) {
      if (kCut && (kColumn < c0 || kColumn >= c1)) return;
      add_column<kColumn, kStride, kRows>(src, even, odd, lo, hi, lo2, hi2);
    }
  };
  column(std::integral_constant<int, 0>());
  column(std::integral_constant<int, 1>());
  column(std::integral_constant<int, 2>());
  column(std::integral_constant<int, 3>());
  column(std::integral_constant<int, 4>());
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int q = 0; q < kPatchPixels; ++q) {
      if (kCut && q >= pixels) break;
      store_fast<kClamp>(fast, hn::RearrangeToOddPlusEven(lo[r][q], lo2[r][q]),
                         hn::RearrangeToOddPlusEven(hi[r][q], hi2[r][q]), dst[r] + q * dst_step);
    }
  }
}

// Weights without those of rows that are padding: of each pair of lanes the first belongs to row 2p, the second to 2p + 1.
HWY_INLINE void mask_weights(const int16_t* from, const bool (&inside)[4], int16_t* to) {
  const D16 d16;
  const D32 d32;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d16));
  for (int p = 0; p < 2; ++p) {
    const uint32_t keep = (inside[2 * p] ? 0xFFFFu : 0u) | (inside[2 * p + 1] ? 0xFFFF0000u : 0u);
    const auto mask = hn::BitCast(d16, hn::Set(d32, static_cast<int32_t>(keep)));
    for (int64_t i = p * 6; i < p * 6 + 6; ++i)
      hn::Store(hn::And(hn::Load(d16, from + i * lanes), mask), d16, to + i * lanes);
  }
}

// kRows output rows from iy on, which is the input row of the first tap.
template <int kStride, int kRows, bool kClamp, class T, class Dst>
void run_patches(const DepthwiseInt8Args& args, const Block& b, int64_t image, int64_t iy, Dst* const (&dst)[2]) {
  const DepthwiseShape& s = *args.shape;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D16()));
  const int64_t step = s.src_pixel_stride, dst_step = s.dst_pixel_stride;
  constexpr int kColumns = (kPatchPixels - 1) * kStride + 3;
  constexpr int kTapRows = kRows == 2 ? 4 : 3;
  const T* tensor = reinterpret_cast<const T*>(args.src);
  const T* end = tensor + (s.batch * s.in_h * s.in_w - 1) * step + s.channels;
  const FastStore fast(b);
  const int16_t* even = b.weights[0];
  const int16_t* odd = b.weights[1];

  bool inside[4] = {};
  int valid_rows = 0, last_row = 0;
  for (int r = 0; r < kTapRows; ++r) {
    inside[r] = iy + r >= 0 && iy + r < s.in_h;
    if (inside[r]) last_row = r, ++valid_rows;
  }
  // Rows of padding read an existing row, for weights of zero. With no row at all any row does.
  const int64_t any_row = valid_rows > 0 ? iy + last_row : 0;
  const T* row[4];
  for (int r = 0; r < kTapRows; ++r) {
    row[r] = tensor + (image * s.in_h + (inside[r] ? iy + r : any_row)) * s.in_w * step + b.channel;
  }
  HWY_ALIGN int16_t masked[2][12 * 32];
  if (valid_rows < kTapRows) {
    mask_weights(even, inside, masked[0]);
    even = masked[0];
    if (kRows == 2) {
      mask_weights(odd, inside, masked[1]);
      odd = masked[1];
    }
  }
  // Columns before this one may be loaded a whole vector at a time in every row.
  int64_t safe_cols = s.in_w;
  const int64_t left = end - row[last_row] - lanes;
  if (left < (s.in_w - 1) * step) safe_cols = left < 0 ? 0 : left / step + 1;

  for (int64_t x = 0; x < s.out_w; x += kPatchPixels) {
    const int64_t ix = x * kStride - s.pad_left;
    Dst* const to[2] = {dst[0] + x * dst_step, kRows == 2 ? dst[1] + x * dst_step : nullptr};
    PatchSource<T> src;
    src.step = step;
    for (int r = 0; r < kTapRows; ++r) src.rows[r] = row[r] + ix * step;
    if (HWY_LIKELY(ix >= 0 && ix + kColumns <= safe_cols && x + kPatchPixels <= s.out_w)) {
      run_patch<kStride, kRows, kClamp, false>(src, even, odd, fast, 0, kColumns, kPatchPixels, to, dst_step);
      continue;
    }
    const int pixels = static_cast<int>(std::min<int64_t>(kPatchPixels, s.out_w - x));
    const int c0 = static_cast<int>(std::clamp<int64_t>(-ix, 0, kColumns));
    const int c1 = static_cast<int>(std::clamp<int64_t>(s.in_w - ix, c0, (pixels - 1) * kStride + 3));
    HWY_ALIGN T copy[4][kColumns][32];
    if (ix + c1 > safe_cols) {
      for (int r = 0; r < kTapRows; ++r) {
        for (int c = c0; c < c1; ++c) {
          std::memcpy(copy[r][c], src.rows[r] + c * step, static_cast<size_t>(b.channels));
        }
        src.rows[r] = copy[r][0];
      }
      src.step = 32;
    }
    run_patch<kStride, kRows, kClamp, true>(src, even, odd, fast, c0, c1, pixels, to, dst_step);
  }
}

inline bool runs_direct(const DepthwiseInt8Args& args, const Block& b) {
  const DepthwiseShape& s = *args.shape;
  return b.fast && s.pad_value == 0 && s.kernel_h == 3 && s.kernel_w == 3 && s.multiplier == 1 && s.dilation_h == 1 &&
         s.dilation_w == 1 && s.stride_h == s.stride_w && s.stride_h <= 2;
}

template <bool kClamp, class T, class Dst>
void run_direct_rows(const DepthwiseInt8Args& args, const DepthwisePlan::Unit& unit, const Block& b) {
  const DepthwiseShape& s = *args.shape;
  Dst* const first = reinterpret_cast<Dst*>(args.dst) + b.channel;
  for (int64_t t = 0; t < unit.rows;) {
    const int64_t y = unit.first_out_row + t;
    Dst* const row = first + (unit.image * s.out_h + y) * s.out_w * s.dst_pixel_stride;
    Dst* const dst[2] = {row, row + s.out_w * s.dst_pixel_stride};
    const int64_t iy = y * s.stride_h - s.pad_top;
    if (s.stride_h == 2) {
      run_patches<2, 1, kClamp, T>(args, b, unit.image, iy, dst);
      t += 1;
    } else if (t + 2 <= unit.rows) {
      run_patches<1, 2, kClamp, T>(args, b, unit.image, iy, dst);
      t += 2;
    } else {
      run_patches<1, 1, kClamp, T>(args, b, unit.image, iy, dst);
      t += 1;
    }
  }
}

template <class T>
void run_direct_block(const DepthwiseInt8Args& args, const DepthwisePlan::Unit& unit, const Block& b) {
  if (args.epilogue->dst_elem == Elem::S8) {
    const bool clamp = b.low != -128 || b.high != 127;
    clamp ? run_direct_rows<true, T, int8_t>(args, unit, b) : run_direct_rows<false, T, int8_t>(args, unit, b);
  } else {
    const bool clamp = b.low != 0 || b.high != 255;
    clamp ? run_direct_rows<true, T, uint8_t>(args, unit, b) : run_direct_rows<false, T, uint8_t>(args, unit, b);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
