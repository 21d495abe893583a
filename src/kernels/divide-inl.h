// SPDX-License-Identifier: Apache-2.0
// Quotients and remainders of all number types, for the compiler to make vectors of. Included inside foreach_target.h.
#if defined(TFENGINE_KERNELS_DIVIDE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_DIVIDE_INL_H_
#undef TFENGINE_KERNELS_DIVIDE_INL_H_
#else
#define TFENGINE_KERNELS_DIVIDE_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {

// Integers as unsigned ones, which wrap where signed arithmetic is undefined.
template <class T>
using Wrapping = typename std::conditional_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, std::make_unsigned<T>,
                                             std::type_identity<T>>::type;

// Integers of up to 32 bits are divided as doubles, of which there are vectors: a quotient that is no integer differs from
// one by more than double's rounding, so that cutting it is exact.
template <class T>
inline constexpr bool kAsDoubles = std::is_integral_v<T> && sizeof(T) <= 4;

// The quotient of the least number and -1 does not fit: it wraps to itself.
template <class T>
HWY_INLINE T wrapped(double quotient) {
  return static_cast<T>(static_cast<int32_t>(quotient == 2147483648.0 ? -2147483648.0 : quotient));
}

template <class T>
HWY_INLINE T truncated(T a, T b) {
  if constexpr (kAsDoubles<T>)
    return wrapped<T>(std::trunc(static_cast<double>(a) / static_cast<double>(b)));
  else
    return b == T(-1) ? static_cast<T>(Wrapping<T>(0) - Wrapping<T>(a)) : static_cast<T>(a / b);
}

template <class T>
HWY_INLINE T floor_div(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::floor(a / b);
  } else if constexpr (kAsDoubles<T>) {
    return wrapped<T>(std::floor(static_cast<double>(a) / static_cast<double>(b)));
  } else if constexpr (std::is_signed_v<T>) {
    if (b == T(-1)) return truncated(a, b);
    return static_cast<T>(a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0));
  } else {
    return static_cast<T>(a / b);
  }
}

template <class T>
HWY_INLINE T remainder_of(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return std::fmod(a, b);
  else if constexpr (kAsDoubles<T>)
    return static_cast<T>(Wrapping<T>(a) - Wrapping<T>(truncated(a, b)) * Wrapping<T>(b));
  else
    return std::is_signed_v<T> && b == T(-1) ? T(0) : static_cast<T>(a % b);
}

template <class T>
HWY_INLINE T floor_mod(T a, T b) {
  if constexpr (kAsDoubles<T>) {
    return static_cast<T>(Wrapping<T>(a) - Wrapping<T>(floor_div(a, b)) * Wrapping<T>(b));
  } else {
    const T rest = remainder_of(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
  }
}

// n remainders of operands that lie `step` apart. While a quotient is below 2^28, it, its product and the difference are
// exact in double; the standard library's division bit by bit takes the others.
template <bool kFloor>
HWY_INLINE void remainder_row(const float* a, int64_t a_step, const float* b, int64_t b_step, int64_t n, float* dst) {
  constexpr int64_t kBlock = 256;
  float x[kBlock], d[kBlock], rests[kBlock];
  for (int64_t first = 0; first < n; first += kBlock) {
    const int64_t count = std::min(kBlock, n - first);
    for (int64_t i = 0; i < count; ++i) x[i] = a[(first + i) * a_step];
    for (int64_t i = 0; i < count; ++i) d[i] = b[(first + i) * b_step];
    int32_t tame = 1;
    for (int64_t i = 0; i < count; ++i) {
      const double quotient = std::trunc(static_cast<double>(x[i]) / static_cast<double>(d[i]));
      const float rest = std::copysign(static_cast<float>(static_cast<double>(x[i]) - quotient * d[i]), x[i]);
      tame &= static_cast<int32_t>(std::fabs(quotient) < 268435456.0) &
              static_cast<int32_t>(std::fabs(d[i]) <= std::numeric_limits<float>::max());
      const bool other_side = kFloor && rest != 0 && (rest < 0) != (d[i] < 0);
      rests[i] = other_side ? rest + d[i] : rest;
    }
    if (tame == 0) {
      for (int64_t i = 0; i < count; ++i) rests[i] = kFloor ? floor_mod(x[i], d[i]) : remainder_of(x[i], d[i]);
    }
    std::copy_n(rests, count, dst + first);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();
#endif
