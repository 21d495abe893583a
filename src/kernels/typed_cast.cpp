// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <type_traits>

#include "kernels/num.h"
#include "kernels/parallel.h"
#include "kernels/typed.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/typed_cast.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

// Plain loops, which the compiler turns into each instruction set's vectors.
HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {

template <class From, class To>
To cast_one(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr auto low = static_cast<From>(std::numeric_limits<To>::min());
    constexpr auto high = static_cast<From>(std::numeric_limits<To>::max());
    if constexpr (sizeof(To) <= 4) {
      // Without branches, for vectors. The largest float below 2^31 stands in for it until the end.
      constexpr From top = sizeof(To) == 4 && sizeof(From) == 4 ? From(2147483520) : high;
      const From number = x == x ? x : From(0);
      const From limited = number < low ? low : number > top ? top : number;
      const auto cut = static_cast<int32_t>(limited);
      return static_cast<To>(sizeof(To) == 4 && number >= high ? std::numeric_limits<int32_t>::max() : cut);
    }
    if (x != x) return To(0);
    return x <= low ? std::numeric_limits<To>::min() : x >= high ? std::numeric_limits<To>::max() : static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

void cast(Num from, Num to, int64_t count, const void* src, void* dst, int threads) {
  // Bools are bytes of 0 and 1, for which there are vectors.
  if (from == Num::Bool) from = Num::U8;
  with_num(from, [&]<class From>(From) {
    with_num(to, [&]<class To>(To) {
      constexpr int64_t kPiece = 8192;
      const int64_t pieces = (count + kPiece - 1) / kPiece;
      parallel_ranges(pieces, useful_threads(threads, 0.4 * static_cast<double>(count), pieces),
                      [&](int64_t begin, int64_t end, int) {
                        const From* x = static_cast<const From*>(src);
                        To* y = static_cast<To*>(dst);
                        const int64_t last = std::min(end * kPiece, count);
                        for (int64_t i = begin * kPiece; i < last; ++i) y[i] = cast_one<From, To>(x[i]);
                      });
    });
  });
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(cast);

}  // namespace

void typed_cast(Num from, Num to, int64_t count, const void* src, void* dst, int threads) {
  HWY_DYNAMIC_DISPATCH(cast)(from, to, count, src, dst, threads);
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
