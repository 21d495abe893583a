// SPDX-License-Identifier: Apache-2.0
// The transforms of Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2015) in integers. Included inside
// foreach_target.h.
//
// With tile d (6x6), filter g (3x3): result (4x4) = A' [(G g G') * (B' d B)] A. B is integer; G and A' are scaled here so
// that they are, too, and each result comes out multiplied by a known constant:
//   B' = 4  0 -5  0  1  0    G = 6  0  0    A' (without the factors below) =
//        0 -4 -4  1  1  0        1  1  1       1 -4 -4  1  1  0   result * 24
//        0  4 -4 -1  1  0        1 -1  1       0 -2  2  1 -1  0   result * 12
//        0 -2 -1  2  1  0        1  2  4       0 -1 -1  1  1  0   result *  6
//        0  2 -1 -2  1  0        1 -2  4       0 -1  1  2 -2  1   result *  6
//        0  4  0 -5  0  1        0  0  6
// Ranges: rows of B' sum to at most 10 in magnitude, so |B' d B| <= 100 * 255 < 2^15; rows of G to 7, |G g G'| <= 49 * 128.
// Both fit 16 bits. Sums of products wrap around 2^32, which is harmless: the result times 24 * 24 = 9 * 2^6 is known
// modulo 2^32, 9 has an inverse there, and the remaining factor 2^6 is a shift. So results are exact when they fit 26 bits.
#if defined(TFENGINE_KERNELS_CONV_WINOGRAD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_CONV_WINOGRAD_MATH_INL_H_
#undef TFENGINE_KERNELS_CONV_WINOGRAD_MATH_INL_H_
#else
#define TFENGINE_KERNELS_CONV_WINOGRAD_MATH_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr int kTileIn = 6, kTileOut = 4, kTilePositions = kTileIn * kTileIn;

// out = B' d for one column (or row) of 6 values.
template <class V>
HWY_INLINE void source_transform_1d(const V (&d)[6], V (&out)[6]) {
  const V d31 = hn::Sub(d[3], d[1]);
  const V d42 = hn::Sub(d[4], d[2]);
  const V twice_d31 = hn::Add(d31, d31);
  const V a = hn::Sub(d[4], hn::ShiftLeft<2>(d[2]));
  const V b = hn::Sub(d[3], hn::ShiftLeft<2>(d[1]));
  out[0] = hn::Add(hn::ShiftLeft<2>(hn::Sub(d[0], d[2])), d42);
  out[1] = hn::Add(a, b);
  out[2] = hn::Sub(a, b);
  out[3] = hn::Add(d42, twice_d31);
  out[4] = hn::Sub(d42, twice_d31);
  out[5] = hn::Sub(hn::Sub(d[5], d[3]), hn::Add(twice_d31, twice_d31));
}

// out = G g for 3 values.
template <class V>
HWY_INLINE void weights_transform_1d(const V (&g)[3], V (&out)[6]) {
  const V outer = hn::Add(g[0], g[2]);
  const V far = hn::Add(g[0], hn::ShiftLeft<2>(g[2]));
  const V twice = hn::Add(g[1], g[1]);
  const V double0 = hn::Add(g[0], g[0]);
  const V double2 = hn::Add(g[2], g[2]);
  out[0] = hn::Add(hn::Add(double0, double0), double0);
  out[1] = hn::Add(outer, g[1]);
  out[2] = hn::Sub(outer, g[1]);
  out[3] = hn::Add(far, twice);
  out[4] = hn::Sub(far, twice);
  out[5] = hn::Add(hn::Add(double2, double2), double2);
}

// out = A' m for 6 sums.
template <class V>
HWY_INLINE void result_transform_1d(const V (&m)[6], V (&out)[4]) {
  const V p = hn::Add(m[1], m[2]);
  const V q = hn::Sub(m[1], m[2]);
  const V r = hn::Add(m[3], m[4]);
  const V s = hn::Sub(m[3], m[4]);
  out[0] = hn::Add(hn::Sub(m[0], hn::ShiftLeft<2>(p)), r);
  out[1] = hn::Sub(s, hn::Add(q, q));
  out[2] = hn::Sub(r, p);
  out[3] = hn::Add(hn::Sub(hn::Add(s, s), q), m[5]);
}

// V-values of one tile for the lanes of `d16`: pixel (y, x) of the tile is at pixels[6 * y + x] + channel, the result for
// position (y, x) goes to out + (6 * y + x) * out_stride.
template <class D16, class T>
HWY_INLINE void transform_source(D16 d16, const T* const* pixels, int64_t channel, int16_t* HWY_RESTRICT out,
                                 int64_t out_stride) {
  using V = hn::Vec<D16>;
  const hn::Rebind<T, D16> d8;
  HWY_ALIGN int16_t columns[kTilePositions * hn::MaxLanes(D16())];
  const size_t lanes = hn::Lanes(d16);
  for (int x = 0; x < kTileIn; ++x) {
    V d[6], t[6];
#pragma GCC unroll 6
    for (int y = 0; y < kTileIn; ++y) d[y] = hn::PromoteTo(d16, hn::LoadU(d8, pixels[kTileIn * y + x] + channel));
    source_transform_1d(d, t);
#pragma GCC unroll 6
    for (int y = 0; y < kTileIn; ++y) hn::Store(t[y], d16, columns + static_cast<size_t>(kTileIn * y + x) * lanes);
  }
  for (int y = 0; y < kTileIn; ++y) {
    V d[6], t[6];
#pragma GCC unroll 6
    for (int x = 0; x < kTileIn; ++x) d[x] = hn::Load(d16, columns + static_cast<size_t>(kTileIn * y + x) * lanes);
    source_transform_1d(d, t);
#pragma GCC unroll 6
    for (int x = 0; x < kTileIn; ++x) hn::StoreU(t[x], d16, out + (kTileIn * y + x) * out_stride);
  }
}

// The same for a filter: tap (y, x) at taps + (3 * y + x) * tap_stride.
template <class D16>
HWY_INLINE void transform_weights(D16 d16, const int8_t* HWY_RESTRICT taps, int64_t tap_stride,
                                  int16_t* HWY_RESTRICT out, int64_t out_stride) {
  using V = hn::Vec<D16>;
  const hn::Rebind<int8_t, D16> d8;
  V columns[3][6];
#pragma GCC unroll 3
  for (int x = 0; x < 3; ++x) {
    V g[3];
#pragma GCC unroll 3
    for (int y = 0; y < 3; ++y) g[y] = hn::PromoteTo(d16, hn::LoadU(d8, taps + (3 * y + x) * tap_stride));
    weights_transform_1d(g, columns[x]);
  }
#pragma GCC unroll 6
  for (int y = 0; y < kTileIn; ++y) {
    const V g[3] = {columns[0][y], columns[1][y], columns[2][y]};
    V t[6];
    weights_transform_1d(g, t);
#pragma GCC unroll 6
    for (int x = 0; x < kTileIn; ++x) hn::StoreU(t[x], d16, out + (kTileIn * y + x) * out_stride);
  }
}

// Exact results of one tile for the lanes of `d32`: position (y, x) of the sums is at sums + (6 * y + x) * sum_stride,
// pixel (y, x) of the results goes to out + y * row_stride + x * pixel_stride.
template <class D32>
HWY_INLINE void transform_results(D32 d32, const int32_t* HWY_RESTRICT sums, int64_t sum_stride,
                                  int32_t* HWY_RESTRICT out, int64_t row_stride, int64_t pixel_stride) {
  using V = hn::Vec<D32>;
  HWY_ALIGN int32_t columns[kTileOut * kTileIn * hn::MaxLanes(D32())];
  const size_t lanes = hn::Lanes(d32);
  for (int x = 0; x < kTileIn; ++x) {
    V m[6], t[4];
#pragma GCC unroll 6
    for (int y = 0; y < kTileIn; ++y) m[y] = hn::LoadU(d32, sums + (kTileIn * y + x) * sum_stride);
    result_transform_1d(m, t);
#pragma GCC unroll 4
    for (int y = 0; y < kTileOut; ++y) hn::Store(t[y], d32, columns + static_cast<size_t>(kTileIn * y + x) * lanes);
  }
  const auto finish_row = [&](int y, auto shift0, auto shift1, auto shift23) {
    V m[6], t[4];
#pragma GCC unroll 6
    for (int x = 0; x < kTileIn; ++x) m[x] = hn::Load(d32, columns + static_cast<size_t>(kTileIn * y + x) * lanes);
    result_transform_1d(m, t);
    const V inverse_of_9 = hn::Set(d32, 954437177);  // 9 * 954437177 = 2 * 2^32 + 1
    int32_t* row = out + y * row_stride;
    hn::StoreU(hn::ShiftRight<decltype(shift0)::value>(hn::Mul(t[0], inverse_of_9)), d32, row);
    hn::StoreU(hn::ShiftRight<decltype(shift1)::value>(hn::Mul(t[1], inverse_of_9)), d32, row + pixel_stride);
    hn::StoreU(hn::ShiftRight<decltype(shift23)::value>(hn::Mul(t[2], inverse_of_9)), d32, row + 2 * pixel_stride);
    hn::StoreU(hn::ShiftRight<decltype(shift23)::value>(hn::Mul(t[3], inverse_of_9)), d32, row + 3 * pixel_stride);
  };
  // Factors 24, 12, 6, 6 are 3 times 2^3, 2^2, 2^1, 2^1.
  using std::integral_constant;
  finish_row(0, integral_constant<int, 6>(), integral_constant<int, 5>(), integral_constant<int, 4>());
  finish_row(1, integral_constant<int, 5>(), integral_constant<int, 4>(), integral_constant<int, 3>());
  finish_row(2, integral_constant<int, 4>(), integral_constant<int, 3>(), integral_constant<int, 2>());
  finish_row(3, integral_constant<int, 4>(), integral_constant<int, 3>(), integral_constant<int, 2>());
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // toggle guard
