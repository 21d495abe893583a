// SPDX-License-Identifier: Apache-2.0
#include "kernels/lines.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <type_traits>
#include <vector>

#include "kernels/line_extreme.h"
#include "kernels/num.h"
#include "kernels/parallel.h"

namespace tfengine::kernels {
namespace {

// Bools are bytes here.
template <class F>
void with_bytes_or_num(Num type, F&& f) {
  with_num(type, [&]<class T>(T) { f(std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>{}); });
}

// What totals are kept in.
template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

// Columns of a line that are worked on together: their totals stay in the first-level cache.
constexpr int64_t kColumns = 256;

// Calls block(offset of the block's first element, columns) for [outer] x blocks of [inner], shared by threads.
template <class Block>
void for_blocks(const LineShape& s, double ns_per_element, int threads, Block&& block) {
  const int64_t blocks = (s.inner + kColumns - 1) / kColumns, units = s.outer * blocks;
  const double ns = ns_per_element * static_cast<double>(s.outer * s.size * s.inner);
  parallel_ranges(units, useful_threads(threads, ns, units), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t column = i % blocks * kColumns;
      block(i / blocks, column, std::min(kColumns, s.inner - column));
    }
  });
}

template <class T>
void run_total(bool product, const LineShape& s, bool exclusive, bool reverse, const T* src, T* dst, int threads) {
  for_blocks(s, 1.0, threads, [&](int64_t o, int64_t column, int64_t columns) {
    Wide<T> totals[kColumns];
    std::fill_n(totals, columns, Wide<T>(product ? 1 : 0));
    for (int64_t i = 0; i < s.size; ++i) {
      const int64_t at = (o * s.size + (reverse ? s.size - 1 - i : i)) * s.inner + column;
      const T* x = src + at;
      T* y = dst + at;
      for (int64_t c = 0; c < columns; ++c) {
        const auto value = static_cast<Wide<T>>(x[c]);
        const Wide<T> next = product ? totals[c] * value : totals[c] + value;
        y[c] = static_cast<T>(exclusive ? totals[c] : next);
        totals[c] = next;
      }
    }
  });
}

template <class T, class Place>
void find_extremes(Num type, bool largest, const LineShape& s, const T* src, Place* dst, int threads) {
  for_blocks(s, s.inner == 1 ? 0.15 : 0.6, threads, [&](int64_t o, int64_t column, int64_t columns) {
    Place* places = dst + o * s.inner + column;
    const T* first = src + o * s.size * s.inner + column;
    if (columns == 1 && s.inner == 1) {
      *places = static_cast<Place>(extreme_of_line(type, largest, first, s.size));
      return;
    }
    T best[kColumns];
    std::copy_n(first, columns, best);
    std::fill_n(places, columns, Place(0));
    for (int64_t i = 1; i < s.size; ++i) {
      const T* x = first + i * s.inner;
      for (int64_t c = 0; c < columns; ++c) {
        const bool better = largest ? x[c] > best[c] : x[c] < best[c];
        best[c] = better ? x[c] : best[c];
        places[c] = better ? static_cast<Place>(i) : places[c];
      }
    }
  });
}

template <class T>
void find_largest(int64_t rows, int64_t size, int64_t k, const T* src, T* values, int32_t* places, int threads) {
  const double ns = static_cast<double>(rows) * static_cast<double>(size) * 3.0;
  parallel_ranges(rows, useful_threads(threads, ns, rows), [&](int64_t begin, int64_t end, int) {
    std::vector<int32_t> order;
    for (int64_t r = begin; r < end; ++r) {
      const T* x = src + r * size;
      const auto before = [x](int32_t a, int32_t b) { return x[a] > x[b] || (x[a] == x[b] && a < b); };
      if (k * 8 < size) {
        // A heap of the best so far: few elements of a long row get in.
        order.clear();
        for (int32_t i = 0; i < size; ++i) {
          if (static_cast<int64_t>(order.size()) < k) {
            order.push_back(i);
            std::push_heap(order.begin(), order.end(), before);
          } else if (k > 0 && x[i] > x[order.front()]) {
            std::pop_heap(order.begin(), order.end(), before);
            order.back() = i;
            std::push_heap(order.begin(), order.end(), before);
          }
        }
        std::sort_heap(order.begin(), order.end(), before);
      } else {
        order.resize(static_cast<size_t>(size));
        std::iota(order.begin(), order.end(), 0);
        std::partial_sort(order.begin(), order.begin() + k, order.end(), before);
      }
      for (int64_t i = 0; i < k; ++i) {
        places[r * k + i] = order[static_cast<size_t>(i)];
        values[r * k + i] = x[order[static_cast<size_t>(i)]];
      }
    }
  });
}

template <class T>
Wide<T> neutral(Fold kind) {
  using W = Wide<T>;
  switch (kind) {
    case Fold::Product:
      return W(1);
    case Fold::Max:
      return std::is_floating_point_v<T> ? static_cast<W>(-std::numeric_limits<double>::infinity())
                                         : static_cast<W>(std::numeric_limits<T>::lowest());
    case Fold::Min:
      return std::is_floating_point_v<T> ? static_cast<W>(std::numeric_limits<double>::infinity())
                                         : static_cast<W>(std::numeric_limits<T>::max());
    default:
      return W(0);
  }
}

template <class T>
T finished(Fold kind, Wide<T> total, int64_t size) {
  if (kind != Fold::Mean) return static_cast<T>(total);
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(total / static_cast<double>(size));
  else
    return size > 0 ? static_cast<T>(static_cast<int64_t>(total) / size) : T(0);
}

template <class T, class Add>
void fold(Fold kind, const LineShape& s, const T* src, T* dst, int threads, Add add) {
  for_blocks(s, 0.5, threads, [&](int64_t o, int64_t column, int64_t columns) {
    const T* first = src + o * s.size * s.inner + column;
    T* y = dst + o * s.inner + column;
    if (s.inner == 1) {
      // Eight totals at once: additions do not wait for each other.
      Wide<T> parts[8];
      std::fill_n(parts, 8, neutral<T>(kind));
      int64_t i = 0;
      for (; i + 8 <= s.size; i += 8) {
        for (int p = 0; p < 8; ++p) parts[p] = add(parts[p], static_cast<Wide<T>>(first[i + p]));
      }
      for (; i < s.size; ++i) parts[0] = add(parts[0], static_cast<Wide<T>>(first[i]));
      for (int p = 1; p < 8; ++p) parts[0] = add(parts[0], parts[p]);
      *y = finished<T>(kind, parts[0], s.size);
      return;
    }
    Wide<T> totals[kColumns];
    std::fill_n(totals, columns, neutral<T>(kind));
    for (int64_t i = 0; i < s.size; ++i) {
      const T* x = first + i * s.inner;
      for (int64_t c = 0; c < columns; ++c) totals[c] = add(totals[c], static_cast<Wide<T>>(x[c]));
    }
    for (int64_t c = 0; c < columns; ++c) y[c] = finished<T>(kind, totals[c], s.size);
  });
}

// Bool: whether all or any of a line's flags are set. A line by itself is searched, lines side by side are joined bytewise.
void fold_flags(bool all, const LineShape& s, const uint8_t* src, uint8_t* dst, int threads) {
  for_blocks(s, 0.05, threads, [&](int64_t o, int64_t column, int64_t columns) {
    const uint8_t* first = src + o * s.size * s.inner + column;
    uint8_t* y = dst + o * s.inner + column;
    if (s.inner == 1) {
      const bool found = s.size > 0 && std::memchr(first, all ? 0 : 1, static_cast<size_t>(s.size)) != nullptr;
      *y = static_cast<uint8_t>(found != all);
      return;
    }
    uint8_t totals[kColumns];
    std::fill_n(totals, columns, static_cast<uint8_t>(all ? 1 : 0));
    for (int64_t i = 0; i < s.size; ++i) {
      const uint8_t* x = first + i * s.inner;
      if (all) {
        for (int64_t c = 0; c < columns; ++c) totals[c] = static_cast<uint8_t>(totals[c] & x[c]);
      } else {
        for (int64_t c = 0; c < columns; ++c) totals[c] = static_cast<uint8_t>(totals[c] | x[c]);
      }
    }
    std::copy_n(totals, columns, y);
  });
}

template <class T>
void fold_any(Fold kind, const LineShape& s, const T* src, T* dst, int threads) {
  using W = Wide<T>;
  // Integers are kept as unsigned 64-bit numbers; their order is that of signed ones.
  const auto less = [](W a, W b) {
    if constexpr (std::is_floating_point_v<T>)
      return a < b;
    else
      return static_cast<int64_t>(a) < static_cast<int64_t>(b);
  };
  switch (kind) {
    case Fold::Max:
      return fold(kind, s, src, dst, threads, [=](W a, W b) { return less(a, b) ? b : a; });
    case Fold::Min:
      return fold(kind, s, src, dst, threads, [=](W a, W b) { return less(b, a) ? b : a; });
    case Fold::Product:
      return fold(kind, s, src, dst, threads, [](W a, W b) { return a * b; });
    default:
      return fold(kind, s, src, dst, threads, [](W a, W b) { return a + b; });
  }
}

}  // namespace

void running_total(Running kind, Num type, const LineShape& shape, bool exclusive, bool reverse, const void* src,
                   void* dst, int threads) {
  with_bytes_or_num(type, [&]<class T>(T) {
    run_total(kind == Running::Product, shape, exclusive, reverse, static_cast<const T*>(src), static_cast<T*>(dst),
              threads);
  });
}

void extreme_place(bool largest, Num type, const LineShape& shape, const void* src, bool wide, void* dst, int threads) {
  with_bytes_or_num(type, [&]<class T>(T) {
    const T* x = static_cast<const T*>(src);
    wide ? find_extremes(type, largest, shape, x, static_cast<int64_t*>(dst), threads)
         : find_extremes(type, largest, shape, x, static_cast<int32_t*>(dst), threads);
  });
}

void largest_of_rows(Num type, int64_t rows, int64_t size, int64_t k, const void* src, void* values, int32_t* places,
                     int threads) {
  with_bytes_or_num(type, [&]<class T>(T) {
    find_largest(rows, size, k, static_cast<const T*>(src), static_cast<T*>(values), places, threads);
  });
}

void fold_lines(Fold kind, Num type, const LineShape& shape, const void* src, void* dst, int threads) {
  if (kind == Fold::All || kind == Fold::Any) {
    return fold_flags(kind == Fold::All, shape, static_cast<const uint8_t*>(src), static_cast<uint8_t*>(dst), threads);
  }
  with_bytes_or_num(
      type, [&]<class T>(T) { fold_any(kind, shape, static_cast<const T*>(src), static_cast<T*>(dst), threads); });
}

}  // namespace tfengine::kernels
