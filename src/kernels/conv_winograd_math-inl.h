// SPDX-License-Identifier: Apache-2.0
// The transforms of Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2015), in integers or floats. Included inside
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
// Ranges of integers: rows of B' sum to at most 10 in magnitude, so |B' d B| <= 100 * 255 < 2^15; rows of G to 7, |G g G'| <= 49 * 128.
// Both fit 16 bits. Sums of products wrap around 2^32, which is harmless: the result times 24 * 24 = 9 * 2^6 is known
// modulo 2^32, 9 has an inverse there, and the remaining factor 2^6 is a shift. So results are exact when they fit 26 bits.
#if defined(TFENGINE_KERNELS_CONV_WINOGRAD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_CONV_WINOGRAD_MATH_INL_H_
#undef TFENGINE_KERNELS_CONV_WINOGRAD_MATH_INL_H_
#else
#define TFENGINE_KERNELS_CONV_WINOGRAD_MATH_INL_H_
#endif

#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr int kTileIn = 6, kTileOut = 4, kTilePositions = kTileIn * kTileIn;

// a + 2^kShift * b and a - 2^kShift * b.
template <int kShift, class D>
HWY_INLINE hn::Vec<D> add_scaled(D d, hn::Vec<D> a, hn::Vec<D> b) {
  if constexpr (hwy::IsFloat<hn::TFromD<D>>()) {
    return hn::MulAdd(hn::Set(d, static_cast<float>(1 << kShift)), b, a);
  } else {
    return hn::Add(a, hn::ShiftLeft<kShift>(b));
  }
}
template <int kShift, class D>
HWY_INLINE hn::Vec<D> sub_scaled(D d, hn::Vec<D> a, hn::Vec<D> b) {
  if constexpr (hwy::IsFloat<hn::TFromD<D>>()) {
    return hn::NegMulAdd(hn::Set(d, static_cast<float>(1 << kShift)), b, a);
  } else {
    return hn::Sub(a, hn::ShiftLeft<kShift>(b));
  }
}

// out = B' d for one column (or row) of 6 values.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void source_transform_1d(D tag, const V (&d)[6], V (&out)[6]) {
  const V d31 = hn::Sub(d[3], d[1]);
  const V d42 = hn::Sub(d[4], d[2]);
  const V a = sub_scaled<2>(tag, d[4], d[2]);
  const V b = sub_scaled<2>(tag, d[3], d[1]);
  out[0] = add_scaled<2>(tag, d42, hn::Sub(d[0], d[2]));
  out[1] = hn::Add(a, b);
  out[2] = hn::Sub(a, b);
  out[3] = add_scaled<1>(tag, d42, d31);
  out[4] = sub_scaled<1>(tag, d42, d31);
  out[5] = sub_scaled<2>(tag, hn::Sub(d[5], d[3]), d31);
}

// out = G g for 3 values.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void weights_transform_1d(D tag, const V (&g)[3], V (&out)[6]) {
  const V outer = hn::Add(g[0], g[2]);
  const V far = add_scaled<2>(tag, g[0], g[2]);
  const V twice0 = hn::Add(g[0], g[0]);
  const V twice2 = hn::Add(g[2], g[2]);
  out[0] = hn::Add(hn::Add(twice0, twice0), twice0);
  out[1] = hn::Add(outer, g[1]);
  out[2] = hn::Sub(outer, g[1]);
  out[3] = add_scaled<1>(tag, far, g[1]);
  out[4] = sub_scaled<1>(tag, far, g[1]);
  out[5] = hn::Add(hn::Add(twice2, twice2), twice2);
}

// out = A' m for 6 sums.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void result_transform_1d(D tag, const V (&m)[6], V (&out)[4]) {
  const V p = hn::Add(m[1], m[2]);
  const V q = hn::Sub(m[1], m[2]);
  const V r = hn::Add(m[3], m[4]);
  const V s = hn::Sub(m[3], m[4]);
  out[0] = hn::Add(sub_scaled<2>(tag, m[0], p), r);
  out[1] = sub_scaled<1>(tag, s, q);
  out[2] = hn::Sub(r, p);
  out[3] = hn::Sub(add_scaled<1>(tag, m[5], s), q);
}

// Removes the known factor of result (y, x): 9 * 2^(shift of y + shift of x).
inline constexpr int kResultShift[4] = {3, 2, 1, 1};
template <int kY, int kX, class D>
HWY_INLINE hn::Vec<D> without_factor(D tag, hn::Vec<D> v) {
  constexpr int kShift = kResultShift[kY] + kResultShift[kX];
  if constexpr (hwy::IsFloat<hn::TFromD<D>>()) {
    return hn::Mul(v, hn::Set(tag, 1.0f / static_cast<float>(9 << kShift)));
  } else {
    return hn::ShiftRight<kShift>(hn::Mul(v, hn::Set(tag, 954437177)));  // times 9: 2 * 2^32 + 1
  }
}

template <class D, class T>
HWY_INLINE hn::Vec<D> load_as(D d, const T* p) {
  if constexpr (std::is_same_v<T, hn::TFromD<D>>) {
    return hn::LoadU(d, p);
  } else {
    return hn::PromoteTo(d, hn::LoadU(hn::Rebind<T, D>(), p));
  }
}

// Transforms the source of one tile for the lanes of `d`: pixel (y, x) of the tile is at pixels[6 * y + x] + channel, the
// value for position (y, x) goes to out + (6 * y + x) * out_stride.
template <class D, class T>
HWY_INLINE void transform_source(D d, const T* const* pixels, int64_t channel, hn::TFromD<D>* HWY_RESTRICT out,
                                 int64_t out_stride) {
  using V = hn::Vec<D>;
  HWY_ALIGN hn::TFromD<D> columns[kTilePositions * hn::MaxLanes(D())];
  const size_t lanes = hn::Lanes(d);
  for (int x = 0; x < kTileIn; ++x) {
    V in[6], t[6];
#pragma GCC unroll 6
    for (int y = 0; y < kTileIn; ++y) in[y] = load_as(d, pixels[kTileIn * y + x] + channel);
    source_transform_1d(d, in, t);
#pragma GCC unroll 6
    for (int y = 0; y < kTileIn; ++y) hn::Store(t[y], d, columns + static_cast<size_t>(kTileIn * y + x) * lanes);
  }
  for (int y = 0; y < kTileIn; ++y) {
    V in[6], t[6];
#pragma GCC unroll 6
    for (int x = 0; x < kTileIn; ++x) in[x] = hn::Load(d, columns + static_cast<size_t>(kTileIn * y + x) * lanes);
    source_transform_1d(d, in, t);
#pragma GCC unroll 6
    for (int x = 0; x < kTileIn; ++x) hn::StoreU(t[x], d, out + (kTileIn * y + x) * out_stride);
  }
}

// The same for a filter: tap (y, x) at taps + (3 * y + x) * tap_stride.
template <class D, class T>
HWY_INLINE void transform_weights(D d, const T* HWY_RESTRICT taps, int64_t tap_stride, hn::TFromD<D>* HWY_RESTRICT out,
                                  int64_t out_stride) {
  using V = hn::Vec<D>;
  V columns[3][6];
#pragma GCC unroll 3
  for (int x = 0; x < 3; ++x) {
    V g[3];
#pragma GCC unroll 3
    for (int y = 0; y < 3; ++y) g[y] = load_as(d, taps + (3 * y + x) * tap_stride);
    weights_transform_1d(d, g, columns[x]);
  }
#pragma GCC unroll 6
  for (int y = 0; y < kTileIn; ++y) {
    const V g[3] = {columns[0][y], columns[1][y], columns[2][y]};
    V t[6];
    weights_transform_1d(d, g, t);
#pragma GCC unroll 6
    for (int x = 0; x < kTileIn; ++x) hn::StoreU(t[x], d, out + (kTileIn * y + x) * out_stride);
  }
}

template <int kY, class D>
HWY_INLINE void transform_result_row(D d, const hn::TFromD<D>* HWY_RESTRICT row, hn::TFromD<D>* HWY_RESTRICT out,
                                     int64_t pixel_stride) {
  using V = hn::Vec<D>;
  V m[6], t[4];
#pragma GCC unroll 6
  for (int x = 0; x < kTileIn; ++x) m[x] = hn::Load(d, row + static_cast<size_t>(x) * hn::Lanes(d));
  result_transform_1d(d, m, t);
  hn::StoreU(without_factor<kY, 0>(d, t[0]), d, out);
  hn::StoreU(without_factor<kY, 1>(d, t[1]), d, out + pixel_stride);
  hn::StoreU(without_factor<kY, 2>(d, t[2]), d, out + 2 * pixel_stride);
  hn::StoreU(without_factor<kY, 3>(d, t[3]), d, out + 3 * pixel_stride);
}

// The results of one tile for the lanes of `d`: position (y, x) of the sums is at sums + (6 * y + x) * sum_stride, pixel
// (y, x) of the results goes to out + y * row_stride + x * pixel_stride.
template <class D>
HWY_INLINE void transform_results(D d, const hn::TFromD<D>* HWY_RESTRICT sums, int64_t sum_stride,
                                  hn::TFromD<D>* HWY_RESTRICT out, int64_t row_stride, int64_t pixel_stride) {
  using V = hn::Vec<D>;
  HWY_ALIGN hn::TFromD<D> columns[kTileOut * kTileIn * hn::MaxLanes(D())];
  const size_t lanes = hn::Lanes(d);
  for (int x = 0; x < kTileIn; ++x) {
    V m[6], t[4];
#pragma GCC unroll 6
    for (int y = 0; y < kTileIn; ++y) m[y] = hn::LoadU(d, sums + (kTileIn * y + x) * sum_stride);
    result_transform_1d(d, m, t);
#pragma GCC unroll 4
    for (int y = 0; y < kTileOut; ++y) hn::Store(t[y], d, columns + static_cast<size_t>(kTileIn * y + x) * lanes);
  }
  transform_result_row<0>(d, columns, out, pixel_stride);
  transform_result_row<1>(d, columns + kTileIn * lanes, out + row_stride, pixel_stride);
  transform_result_row<2>(d, columns + 2 * kTileIn * lanes, out + 2 * row_stride, pixel_stride);
  transform_result_row<3>(d, columns + 3 * kTileIn * lanes, out + 3 * row_stride, pixel_stride);
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // toggle guard
