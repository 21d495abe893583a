// SPDX-License-Identifier: Apache-2.0
// A vector holds blocks of 16 bytes, each a part of another row, N elements long: N vectors are as many squares of N x N
// elements, which are turned side by side. They become vectors of N columns, whose elements are neighbours.
#include "kernels/turn.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/turn.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A line of the cache.
template <class T>
using Wide = hn::CappedTag<T, 64 / sizeof(T)>;

// The blocks of rows that lie `apart` elements from each other.
template <class D>
HWY_INLINE hn::Vec<D> load_blocks(D d, const hn::TFromD<D>* src, int64_t apart) {
  constexpr size_t kBlock = 16 / sizeof(hn::TFromD<D>);
  if constexpr (hn::MaxLanes(D()) <= kBlock) {
    return hn::LoadU(d, src);
  } else {
    const hn::Half<D> half;
    constexpr auto kBlocks = static_cast<int64_t>(hn::MaxLanes(D()) / kBlock);
    return hn::Combine(d, load_blocks(half, src + kBlocks / 2 * apart, apart), load_blocks(half, src, apart));
  }
}

// Row i and row i + kSize / 2 are riffled into rows 2 i and 2 i + 1; after log2(kSize) rounds rows are columns.
template <int kRounds, int kSize, class D, class V, size_t... kRows>
HWY_INLINE void riffle(D d, V (&a)[kSize], std::index_sequence<kRows...> all) {
  if constexpr (kRounds > 1) {
    const V b[kSize] = {(kRows % 2 == 0 ? hn::InterleaveLower(d, a[kRows / 2], a[kRows / 2 + kSize / 2])
                                        : hn::InterleaveUpper(d, a[kRows / 2], a[kRows / 2 + kSize / 2]))...};
    ((a[kRows] = b[kRows]), ...);
    riffle<kRounds / 2, kSize>(d, a, all);
  }
}

template <class D, class Column, size_t... kRows>
HWY_INLINE void turn_squares(D d, const hn::TFromD<D>* src, int64_t src_step, const Column& column,
                             std::index_sequence<kRows...> all) {
  constexpr int kSize = sizeof...(kRows);
  hn::Vec<D> a[kSize] = {load_blocks(d, src + static_cast<int64_t>(kRows) * src_step, kSize * src_step)...};
  riffle<kSize, kSize>(d, a, all);
  (hn::StoreU(a[kRows], d, column(static_cast<int64_t>(kRows))), ...);
}

template <class T, class Column>
HWY_INLINE void turn(const T* src, int64_t src_step, int64_t rows, int64_t cols, const Column& column) {
  constexpr int64_t kSize = 16 / sizeof(T);
  const Wide<T> d;
  const auto height = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole_rows = rows / height * height, whole_cols = cols / kSize * kSize;
  for (int64_t r = 0; r < whole_rows; r += height) {
    for (int64_t c = 0; c < whole_cols; c += kSize) {
      turn_squares(
          d, src + r * src_step + c, src_step, [&](int64_t k) HWY_ATTR { return column(c + k) + r; },
          std::make_index_sequence<kSize>());
    }
  }
  for (int64_t c = 0; c < cols; ++c) {
    T* to = column(c);
    for (int64_t r = c < whole_cols ? whole_rows : 0; r < rows; ++r) to[r] = src[r * src_step + c];
  }
}

template <class T>
void turn_to(const T* src, int64_t src_step, int64_t rows, int64_t cols, const TurnedColumns& columns) {
  if (columns.places != nullptr) {
    turn(src, src_step, rows, cols,
         [&](int64_t c) HWY_ATTR { return static_cast<T*>(columns.places[c]) + columns.offset; });
  } else {
    T* first = static_cast<T*>(columns.first) + columns.offset;
    turn(src, src_step, rows, cols, [=](int64_t c) HWY_ATTR { return first + c * columns.step; });
  }
}

void turn_any(int64_t elem_bytes, const void* src, int64_t src_step, int64_t rows, int64_t cols,
              const TurnedColumns& columns) {
  switch (elem_bytes) {
    case 1:
      return turn_to(static_cast<const uint8_t*>(src), src_step, rows, cols, columns);
    case 2:
      return turn_to(static_cast<const uint16_t*>(src), src_step, rows, cols, columns);
    case 4:
      return turn_to(static_cast<const uint32_t*>(src), src_step, rows, cols, columns);
    default:
      return turn_to(static_cast<const uint64_t*>(src), src_step, rows, cols, columns);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {

HWY_EXPORT(turn_any);

void turn_tile(int64_t elem_bytes, const void* src, int64_t src_step, int64_t rows, int64_t cols,
               const TurnedColumns& columns) {
  HWY_DYNAMIC_DISPATCH(turn_any)(elem_bytes, src, src_step, rows, cols, columns);
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
