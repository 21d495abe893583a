// SPDX-License-Identifier: Apache-2.0
#include "kernels/half.h"

#include <algorithm>
#include <bit>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/half.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Loops without branches, which the compiler turns into vectors; float16 has instructions of its own from AVX2 on.
HWY_INLINE float half_to_float(uint16_t h) {
  const uint32_t bits = static_cast<uint32_t>(h & 0x7fff) << 13;
  // The exponents' biases differ by 112; the product is right for denormals, too.
  const float magnitude = std::bit_cast<float>(bits) * 0x1p112f;
  const uint32_t special = bits >= 0x0f800000u ? 0x7f800000u | bits : std::bit_cast<uint32_t>(magnitude);
  return std::bit_cast<float>(special | static_cast<uint32_t>(h & 0x8000) << 16);
}

HWY_INLINE uint16_t float_to_half(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x), sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  const uint32_t normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - (112u << 23)) >> 13;
  // Adding 0.5 leaves multiples of 2^-24 in the low bits, rounded.
  const uint32_t small = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t large = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  const uint32_t half = magnitude < 0x38800000u ? small : magnitude >= 0x477ff000u ? large : normal;
  return static_cast<uint16_t>(sign | half);
}

HWY_INLINE float bfloat_to_float(uint16_t b) { return std::bit_cast<float>(static_cast<uint32_t>(b) << 16); }

HWY_INLINE uint16_t float_to_bfloat(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16) | 0x40u : rounded);
}

void widen_piece(Short type, int64_t count, const uint16_t* src, float* dst) {
  int64_t i = 0;
  if (type == Short::BF16) {
    for (; i < count; ++i) dst[i] = bfloat_to_float(src[i]);
    return;
  }
#if HWY_TARGET <= HWY_AVX2
  const hn::ScalableTag<float> df;
  const hn::Rebind<hwy::float16_t, decltype(df)> dh;
  const auto lanes = static_cast<int64_t>(hn::Lanes(df));
  const auto* halves = reinterpret_cast<const hwy::float16_t*>(src);
  for (; i + lanes <= count; i += lanes) hn::StoreU(hn::PromoteTo(df, hn::LoadU(dh, halves + i)), df, dst + i);
#endif
  for (; i < count; ++i) dst[i] = half_to_float(src[i]);
}

void narrow_piece(Short type, int64_t count, const float* src, uint16_t* dst) {
  int64_t i = 0;
  if (type == Short::BF16) {
    for (; i < count; ++i) dst[i] = float_to_bfloat(src[i]);
    return;
  }
#if HWY_TARGET <= HWY_AVX2
  const hn::ScalableTag<float> df;
  const hn::Rebind<hwy::float16_t, decltype(df)> dh;
  const auto lanes = static_cast<int64_t>(hn::Lanes(df));
  auto* halves = reinterpret_cast<hwy::float16_t*>(dst);
  for (; i + lanes <= count; i += lanes) hn::StoreU(hn::DemoteTo(dh, hn::LoadU(df, src + i)), dh, halves + i);
#endif
  for (; i < count; ++i) dst[i] = float_to_half(src[i]);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(widen_piece);
HWY_EXPORT(narrow_piece);

template <class Convert>
void in_pieces(int64_t count, int threads, Convert&& convert) {
  constexpr int64_t kPiece = 8192;
  const int64_t pieces = (count + kPiece - 1) / kPiece;
  parallel_ranges(pieces, useful_threads(threads, 0.2 * static_cast<double>(count), pieces),
                  [&](int64_t begin, int64_t end, int) {
                    convert(begin * kPiece, std::min(end * kPiece, count) - begin * kPiece);
                  });
}

}  // namespace

void widen(Short type, int64_t count, const uint16_t* src, float* dst, int threads) {
  in_pieces(count, threads, [&](int64_t first, int64_t n) {
    HWY_DYNAMIC_DISPATCH(widen_piece)(type, n, src + first, dst + first);
  });
}

void narrow(Short type, int64_t count, const float* src, uint16_t* dst, int threads) {
  in_pieces(count, threads, [&](int64_t first, int64_t n) {
    HWY_DYNAMIC_DISPATCH(narrow_piece)(type, n, src + first, dst + first);
  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
