// SPDX-License-Identifier: Apache-2.0
// Blocks of a line are compared as vectors; only the block that has the extreme is searched for its place.
#include "kernels/line_extreme.h"

#include <algorithm>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/line_extreme.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
HWY_INLINE bool better(bool largest, T a, T b) {
  return largest ? a > b : a < b;
}

// The extreme of `best` and n elements, n a multiple of four vectors.
template <bool kLargest, class T>
HWY_INLINE T extreme_of_block(const T* x, int64_t n, T best) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  // A comparison with NaN is false: the other stays.
  const auto take = [](auto kept, auto v)
                        HWY_ATTR { return hn::IfThenElse(kLargest ? hn::Gt(v, kept) : hn::Lt(v, kept), v, kept); };
  auto b0 = hn::Set(d, best), b1 = b0, b2 = b0, b3 = b0;
  for (int64_t i = 0; i < n; i += 4 * lanes) {
    b0 = take(b0, hn::LoadU(d, x + i));
    b1 = take(b1, hn::LoadU(d, x + i + lanes));
    b2 = take(b2, hn::LoadU(d, x + i + 2 * lanes));
    b3 = take(b3, hn::LoadU(d, x + i + 3 * lanes));
  }
  HWY_ALIGN T all[HWY_MAX_BYTES / sizeof(T)];
  hn::Store(take(take(b0, b1), take(b2, b3)), d, all);
  for (int64_t k = 0; k < lanes; ++k) best = better(kLargest, all[k], best) ? all[k] : best;
  return best;
}

template <class T>
int64_t extreme_place_of(bool largest, const T* x, int64_t n) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), group = 4 * lanes;
  // 2 KiB: the second look at a block finds it in the first-level cache.
  const int64_t block = std::max<int64_t>(2048 / static_cast<int64_t>(sizeof(T)) / group, 1) * group;
  T best = x[0];
  int64_t found = 0, i = 0;
  while (n - i >= group) {
    const int64_t count = std::min(block, (n - i) / group * group);
    const T most = largest ? extreme_of_block<true>(x + i, count, best) : extreme_of_block<false>(x + i, count, best);
    if (better(largest, most, best)) {
      best = most;
      found = i;
    }
    i += count;
  }
  for (int64_t k = i; k < n; ++k) {
    if (!better(largest, x[k], best)) continue;
    best = x[k];
    found = k;
  }
  while (found < n && x[found] != best) ++found;
  return found < n ? found : 0;
}

int64_t extreme_place(Num type, bool largest, const void* line, int64_t n) {
  return with_num(type, [&]<class T>(T) HWY_ATTR {
    using Byte = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;
    return extreme_place_of(largest, static_cast<const Byte*>(line), n);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {

HWY_EXPORT(extreme_place);

int64_t extreme_of_line(Num type, bool largest, const void* line, int64_t n) {
  return HWY_DYNAMIC_DISPATCH(extreme_place)(type, largest, line, n);
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
