// SPDX-License-Identifier: Apache-2.0
// The transforms of Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2015), in integers and in floats. Included
// inside foreach_target.h. With tile d (6x6) and filter g (3x3), the result (4x4) is A' [(G g G') * (B' d B)] A.
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
// A last tile of at most 2 results in a direction needs 4 of the 6 positions, those of F(2, 3): weights are the same there.
inline constexpr int kEdgeIn = 4, kEdgeOut = 2;
inline constexpr int kEdgePositions[kEdgeIn] = {0, 1, 2, 5};
constexpr bool is_far(int position) { return position == 3 || position == 4; }

// Interpolation points 0, 1, -1, 2, -2, infinity. B is integer; G and A' are scaled here so that they are, too, and each
// result comes out multiplied by a known constant:
//   B' = 4  0 -5  0  1  0    G = 6  0  0    A' (without the factors below) =
//        0 -4 -4  1  1  0        1  1  1       1 -4 -4  1  1  0   result * 24
//        0  4 -4 -1  1  0        1 -1  1       0 -2  2  1 -1  0   result * 12
//        0 -2 -1  2  1  0        1  2  4       0 -1 -1  1  1  0   result *  6
//        0  2 -1 -2  1  0        1 -2  4       0 -1  1  2 -2  1   result *  6
//        0  4  0 -5  0  1        0  0  6
// Ranges: rows of B' sum to at most 10 in magnitude, so |B' d B| <= 100 * 255 < 2^15; rows of G to 7, |G g G'| <= 49 * 128.
// Both fit 16 bits. Sums of products wrap around 2^32, which is harmless: the result times 24 * 24 = 9 * 2^6 is known
// modulo 2^32, 9 has an inverse there, and the remaining factor 2^6 is a shift. So results are exact when they fit 26 bits.
//
// F(2, 3) has points 0, 1, -1, infinity of these, with
//   B' = 1  0 -1  0    A' = 1  3  3  0   result * 6
//        0  1  1  0         0  3 -3  1   result * 6
//        0 -1  1  0
//        0 -1  0  1
struct IntegerTransforms {
  static constexpr bool kHasEdges = true;

  // Positions 0, 1, 2, 5 of B' d for 4 values.
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE void source_edge(D, const V (&d)[6], V (&out)[6]) {
    out[0] = hn::Sub(d[0], d[2]);
    out[1] = hn::Add(d[1], d[2]);
    out[2] = hn::Sub(d[2], d[1]);
    out[5] = hn::Sub(d[3], d[1]);
  }

  // A' m for the sums at positions 0, 1, 2, 5.
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE void results_edge(D, const V (&m)[6], V (&out)[4]) {
    const V p = hn::Add(m[1], m[2]);
    const V q = hn::Sub(m[1], m[2]);
    out[0] = hn::Add(m[0], hn::Add(p, hn::Add(p, p)));
    out[1] = hn::Add(m[5], hn::Add(q, hn::Add(q, q)));
  }

  // out = B' d for one column (or row) of 6 values.
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE void source(D, const V (&d)[6], V (&out)[6]) {
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
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE void weights(D, const V (&g)[3], V (&out)[6]) {
    const V outer = hn::Add(g[0], g[2]);
    const V far = hn::Add(g[0], hn::ShiftLeft<2>(g[2]));
    const V twice0 = hn::Add(g[0], g[0]);
    const V twice1 = hn::Add(g[1], g[1]);
    const V twice2 = hn::Add(g[2], g[2]);
    out[0] = hn::Add(hn::Add(twice0, twice0), twice0);
    out[1] = hn::Add(outer, g[1]);
    out[2] = hn::Sub(outer, g[1]);
    out[3] = hn::Add(far, twice1);
    out[4] = hn::Sub(far, twice1);
    out[5] = hn::Add(hn::Add(twice2, twice2), twice2);
  }

  // out = A' m for 6 sums.
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE void results(D, const V (&m)[6], V (&out)[4]) {
    const V p = hn::Add(m[1], m[2]);
    const V q = hn::Sub(m[1], m[2]);
    const V r = hn::Add(m[3], m[4]);
    const V s = hn::Sub(m[3], m[4]);
    out[0] = hn::Add(hn::Sub(m[0], hn::ShiftLeft<2>(p)), r);
    out[1] = hn::Sub(s, hn::Add(q, q));
    out[2] = hn::Sub(r, p);
    out[3] = hn::Add(hn::Sub(hn::Add(s, s), q), m[5]);
  }

  // Removes the factor of result (y, x).
  template <bool kEdgeY, bool kEdgeX, int kY, int kX, class D>
  static HWY_INLINE hn::Vec<D> finish(D d, hn::Vec<D> v) {
    constexpr int kPowerOf2[4] = {3, 2, 1, 1};        // 24, 12, 6, 6 are 3 times these powers
    const auto inverse_of_9 = hn::Set(d, 954437177);  // 9 * 954437177 = 2 * 2^32 + 1
    return hn::ShiftRight<(kEdgeY ? 1 : kPowerOf2[kY]) + (kEdgeX ? 1 : kPowerOf2[kX])>(hn::Mul(v, inverse_of_9));
  }
};

// Interpolation points 0, a, -a, b, -b, infinity with a^2 = 1/2, b^2 = 2: rounding errors are half of those of 1 and 2, and
// about twice those of direct sums (measured: 1.0e-6 of a result's standard deviation for 128 channels).
struct FloatTransforms {
  static constexpr bool kHasEdges = false;
  static constexpr float kA = 0.70710678118654752f, kA2 = 0.5f, kA3 = kA * kA2;
  static constexpr float kB = 1.41421356237309505f, kB2 = 2.0f, kB3 = kB * kB2;

  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE void source(D tag, const V (&d)[6], V (&out)[6]) {
    const V even_a = hn::NegMulAdd(hn::Set(tag, kB2), d[2], d[4]);
    const V even_b = hn::NegMulAdd(hn::Set(tag, kA2), d[2], d[4]);
    const V odd_a = hn::NegMulAdd(hn::Set(tag, kB2), d[1], d[3]);
    const V odd_b = hn::NegMulAdd(hn::Set(tag, kA2), d[1], d[3]);
    out[0] = hn::NegMulAdd(hn::Set(tag, kA2 + kB2), d[2], hn::Add(d[0], d[4]));
    out[1] = hn::MulAdd(hn::Set(tag, kA), odd_a, even_a);
    out[2] = hn::NegMulAdd(hn::Set(tag, kA), odd_a, even_a);
    out[3] = hn::MulAdd(hn::Set(tag, kB), odd_b, even_b);
    out[4] = hn::NegMulAdd(hn::Set(tag, kB), odd_b, even_b);
    out[5] = hn::NegMulAdd(hn::Set(tag, kA2 + kB2), d[3], hn::Add(d[1], d[5]));
  }

  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE void weights(D tag, const V (&g)[3], V (&out)[6]) {
    constexpr float kScaleA = 1.0f / (2.0f * kA2 * (kA2 - kB2));
    constexpr float kScaleB = 1.0f / (2.0f * kB2 * (kB2 - kA2));
    const V even_a = hn::Mul(hn::Set(tag, kScaleA), hn::MulAdd(hn::Set(tag, kA2), g[2], g[0]));
    const V even_b = hn::Mul(hn::Set(tag, kScaleB), hn::MulAdd(hn::Set(tag, kB2), g[2], g[0]));
    out[0] = g[0];
    out[1] = hn::MulAdd(hn::Set(tag, kScaleA * kA), g[1], even_a);
    out[2] = hn::NegMulAdd(hn::Set(tag, kScaleA * kA), g[1], even_a);
    out[3] = hn::MulAdd(hn::Set(tag, kScaleB * kB), g[1], even_b);
    out[4] = hn::NegMulAdd(hn::Set(tag, kScaleB * kB), g[1], even_b);
    out[5] = g[2];
  }

  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE void results(D tag, const V (&m)[6], V (&out)[4]) {
    const V p = hn::Add(m[1], m[2]);
    const V q = hn::Sub(m[1], m[2]);
    const V r = hn::Add(m[3], m[4]);
    const V s = hn::Sub(m[3], m[4]);
    out[0] = hn::Add(hn::Add(m[0], p), r);
    out[1] = hn::MulAdd(hn::Set(tag, kB), s, hn::Mul(hn::Set(tag, kA), q));
    out[2] = hn::MulAdd(hn::Set(tag, kB2), r, hn::Mul(hn::Set(tag, kA2), p));
    out[3] = hn::MulAdd(hn::Set(tag, kB3), s, hn::MulAdd(hn::Set(tag, kA3), q, m[5]));
  }

  template <bool, bool, int kY, int kX, class D>
  static HWY_INLINE hn::Vec<D> finish(D, hn::Vec<D> v) {
    return v;
  }
};

template <class D, class T>
HWY_INLINE hn::Vec<D> load_as(D d, const T* p) {
  if constexpr (std::is_same_v<T, hn::TFromD<D>>) {
    return hn::LoadU(d, p);
  } else {
    return hn::PromoteTo(d, hn::LoadU(hn::Rebind<T, D>(), p));
  }
}

// Where a tile's values for a position lie: tiles are counted apart for near and far positions of each direction, since the
// last ones may have none at the far ones.
template <class T>
struct TilePlaces {
  T* base[2][2];   // [far in y][far in x]: of position 0
  int64_t stride;  // elements from one position to the next
  T* at(int y, int x) const { return base[is_far(y)][is_far(x)] + (kTileIn * y + x) * stride; }
};

template <class Transforms, bool kEdge, class D, class V = hn::Vec<D>>
HWY_INLINE void transform_source_line(D d, const V (&in)[6], V (&out)[6]) {
  if constexpr (kEdge) {
    Transforms::source_edge(d, in, out);
  } else {
    Transforms::source(d, in, out);
  }
}

// Transforms the source of one tile for the lanes of `d`: pixel (y, x) of the tile is at pixels[6 * y + x] + channel, the
// value for position (y, x) goes to out.at(y, x) + channel.
template <class Transforms, bool kEdgeY, bool kEdgeX, class D, class T>
HWY_INLINE void transform_source(D d, const T* const* pixels, int64_t channel, const TilePlaces<hn::TFromD<D>>& out) {
  using V = hn::Vec<D>;
  constexpr int kInY = kEdgeY ? kEdgeIn : kTileIn, kInX = kEdgeX ? kEdgeIn : kTileIn;
  HWY_ALIGN hn::TFromD<D> columns[kTilePositions * hn::MaxLanes(D())];
  const size_t lanes = hn::Lanes(d);
  for (int x = 0; x < kInX; ++x) {
    V in[6], t[6];
#pragma GCC unroll 6
    for (int y = 0; y < kInY; ++y) in[y] = load_as(d, pixels[kTileIn * y + x] + channel);
    transform_source_line<Transforms, kEdgeY>(d, in, t);
#pragma GCC unroll 6
    for (int i = 0; i < kInY; ++i) {
      const int y = kEdgeY ? kEdgePositions[i] : i;
      hn::Store(t[y], d, columns + static_cast<size_t>(kTileIn * y + x) * lanes);
    }
  }
  for (int i = 0; i < kInY; ++i) {
    const int y = kEdgeY ? kEdgePositions[i] : i;
    V in[6], t[6];
#pragma GCC unroll 6
    for (int x = 0; x < kInX; ++x) in[x] = hn::Load(d, columns + static_cast<size_t>(kTileIn * y + x) * lanes);
    transform_source_line<Transforms, kEdgeX>(d, in, t);
#pragma GCC unroll 6
    for (int j = 0; j < kInX; ++j) {
      const int x = kEdgeX ? kEdgePositions[j] : j;
      hn::StoreU(t[x], d, out.at(y, x) + channel);
    }
  }
}

// The same for a filter: tap (y, x) at taps + (3 * y + x) * tap_stride.
template <class Transforms, class D, class T>
HWY_INLINE void transform_weights(D d, const T* HWY_RESTRICT taps, int64_t tap_stride, hn::TFromD<D>* HWY_RESTRICT out,
                                  int64_t out_stride) {
  using V = hn::Vec<D>;
  V columns[3][6];
#pragma GCC unroll 3
  for (int x = 0; x < 3; ++x) {
    V g[3];
#pragma GCC unroll 3
    for (int y = 0; y < 3; ++y) g[y] = load_as(d, taps + (3 * y + x) * tap_stride);
    Transforms::weights(d, g, columns[x]);
  }
#pragma GCC unroll 6
  for (int y = 0; y < kTileIn; ++y) {
    const V g[3] = {columns[0][y], columns[1][y], columns[2][y]};
    V t[6];
    Transforms::weights(d, g, t);
#pragma GCC unroll 6
    for (int x = 0; x < kTileIn; ++x) hn::StoreU(t[x], d, out + (kTileIn * y + x) * out_stride);
  }
}

template <class Transforms, bool kEdge, class D, class V = hn::Vec<D>>
HWY_INLINE void transform_result_line(D d, const V (&in)[6], V (&out)[4]) {
  if constexpr (kEdge) {
    Transforms::results_edge(d, in, out);
  } else {
    Transforms::results(d, in, out);
  }
}

template <class Transforms, bool kEdgeY, bool kEdgeX, int kY, class D>
HWY_INLINE void transform_result_row(D d, const hn::TFromD<D>* HWY_RESTRICT row, hn::TFromD<D>* HWY_RESTRICT out,
                                     int64_t pixel_stride) {
  using V = hn::Vec<D>;
  V m[6], t[4];
#pragma GCC unroll 6
  for (int j = 0; j < (kEdgeX ? kEdgeIn : kTileIn); ++j) {
    const int x = kEdgeX ? kEdgePositions[j] : j;
    m[x] = hn::Load(d, row + static_cast<size_t>(x) * hn::Lanes(d));
  }
  transform_result_line<Transforms, kEdgeX>(d, m, t);
  hn::StoreU(Transforms::template finish<kEdgeY, kEdgeX, kY, 0>(d, t[0]), d, out);
  hn::StoreU(Transforms::template finish<kEdgeY, kEdgeX, kY, 1>(d, t[1]), d, out + pixel_stride);
  if constexpr (!kEdgeX) {
    hn::StoreU(Transforms::template finish<kEdgeY, kEdgeX, kY, 2>(d, t[2]), d, out + 2 * pixel_stride);
    hn::StoreU(Transforms::template finish<kEdgeY, kEdgeX, kY, 3>(d, t[3]), d, out + 3 * pixel_stride);
  }
}

// The results of one tile for the lanes of `d`: position (y, x) of the sums is at sums.at(y, x) + channel, pixel (y, x) of
// the results goes to out + y * row_stride + x * pixel_stride.
template <class Transforms, bool kEdgeY, bool kEdgeX, class D>
HWY_INLINE void transform_results(D d, const TilePlaces<const hn::TFromD<D>>& sums, int64_t channel,
                                  hn::TFromD<D>* HWY_RESTRICT out, int64_t row_stride, int64_t pixel_stride) {
  using V = hn::Vec<D>;
  HWY_ALIGN hn::TFromD<D> columns[kTileOut * kTileIn * hn::MaxLanes(D())];
  const size_t lanes = hn::Lanes(d);
  for (int j = 0; j < (kEdgeX ? kEdgeIn : kTileIn); ++j) {
    const int x = kEdgeX ? kEdgePositions[j] : j;
    V m[6], t[4];
#pragma GCC unroll 6
    for (int i = 0; i < (kEdgeY ? kEdgeIn : kTileIn); ++i) {
      const int y = kEdgeY ? kEdgePositions[i] : i;
      m[y] = hn::LoadU(d, sums.at(y, x) + channel);
    }
    transform_result_line<Transforms, kEdgeY>(d, m, t);
#pragma GCC unroll 4
    for (int y = 0; y < (kEdgeY ? kEdgeOut : kTileOut); ++y) {
      hn::Store(t[y], d, columns + static_cast<size_t>(kTileIn * y + x) * lanes);
    }
  }
  const auto row = [&](auto y) {
    constexpr int kY = decltype(y)::value;
    transform_result_row<Transforms, kEdgeY, kEdgeX, kY>(d, columns + kY * kTileIn * lanes, out + kY * row_stride,
                                                         pixel_stride);
  };
  row(std::integral_constant<int, 0>());
  row(std::integral_constant<int, 1>());
  if constexpr (!kEdgeY) {
    row(std::integral_constant<int, 2>());
    row(std::integral_constant<int, 3>());
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // toggle guard
