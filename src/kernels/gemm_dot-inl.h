// SPDX-License-Identifier: Apache-2.0
// The inner loop of the INT8 kernels for CPUs with AVX512_VNNI: tiles of 32-bit sums of products of unsigned and signed bytes,
// 64 products per instruction (vpdpbusd). Included inside foreach_target.h.
#if defined(TFENGINE_KERNELS_GEMM_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_GEMM_DOT_INL_H_
#undef TFENGINE_KERNELS_GEMM_DOT_INL_H_
#else
#define TFENGINE_KERNELS_GEMM_DOT_INL_H_
#endif

#include <cstdint>
#include <cstring>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/ahead.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr int kDotColumns = 16;  // of a vector
inline constexpr int kDotVecs = 4;      // of a tile
// Sums, a quad's weights and a row's quad fill AVX-512's 32 registers. The fewer loads for as many products the better: 6 x 4
// is 8 % faster than 14 x 2 (Zen 4).
constexpr int dot_rows(int vecs) { return vecs == 4 ? 6 : vecs == 3 ? 9 : 14; }

// Rows at a constant distance. Four neighbouring inputs (a quad) are multiplied at a time.
struct StridedDots {
  const uint8_t* source;
  int64_t row_stride;
  int64_t quads;
  const int8_t* weights;  // of a vector of columns: [quad][column][input of the quad]
  int64_t weight_vec_stride;
  const int32_t* begin;  // what the sums of each column begin with

  void advance(int64_t rows) { source += rows * row_stride; }
};

// What happens to a tile's sums: here they are stored for others to go on with. A row further on, advance() is called.
struct StoreSums {
  int32_t* sums;
  int64_t row_stride;

  void advance(int64_t rows) { sums += rows * row_stride; }
  template <int kVecs, class D, class V>
  HWY_INLINE void row(D d, const V (&acc)[kVecs], int r) const {
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v) hn::StoreU(acc[v], d, sums + r * row_stride + v * kDotColumns);
  }
};

#if HWY_TARGET == HWY_AVX3
using DotTag = hn::CappedTag<int32_t, kDotColumns>;

// acc += the dot product of each column's four signed bytes with the row's four unsigned ones.
HWY_INLINE hn::Vec<DotTag> add_dot(hn::Vec<DotTag> row, hn::Vec<DotTag> weights, hn::Vec<DotTag> acc) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(acc.raw) : "v"(row.raw), "v"(weights.raw));
  return acc;
}

// `tiles` tiles of kRows rows. Fetches one line of `ahead` with each quad, as long as there are any.
template <int kRows, int kVecs, class Finish>
HWY_NOINLINE void tiles_of_dots(StridedDots t, Finish finish, int64_t tiles, Ahead& ahead) {
  const DotTag d;
  const int64_t row_stride = t.row_stride, vec_stride = t.weight_vec_stride;
  const std::byte* fetch = ahead.begin;
  const std::byte* last = fetch + std::max<int64_t>(ahead.bytes - 1, 0);
  for (; tiles != 0; --tiles) {
    hn::Vec<DotTag> acc[kRows][kVecs];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVecs; ++v) acc[r][v] = hn::LoadU(d, t.begin + v * kDotColumns);
    }
    const uint8_t* HWY_RESTRICT source = t.source;
    const int8_t* HWY_RESTRICT weights = t.weights;
    for (int64_t quad = 0; quad < t.quads; ++quad) {
      hn::Vec<DotTag> w[kVecs];
#pragma GCC unroll 16
      for (int v = 0; v < kVecs; ++v) w[v] = hn::LoadU(d, reinterpret_cast<const int32_t*>(weights + v * vec_stride));
      hwy::Prefetch(fetch);
      fetch = fetch + 64 < last ? fetch + 64 : last;
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        int32_t four;
        std::memcpy(&four, source + r * row_stride, sizeof(four));
        const auto row = hn::Set(d, four);
#pragma GCC unroll 16
        for (int v = 0; v < kVecs; ++v) acc[r][v] = add_dot(row, w[v], acc[r][v]);
      }
      source += 4;
      weights += 4 * kDotColumns;
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) finish.row(d, acc[r], r);
    t.advance(kRows);
    finish.advance(kRows);
  }
  ahead.bytes -= fetch - ahead.begin;
  ahead.begin = fetch;
}
#else
// For completeness: such CPUs are not offered this way.
template <int kRows, int kVecs>
void tiles_of_dots(StridedDots t, StoreSums finish, int64_t tiles, Ahead&) {
  for (int64_t row = 0; row < kRows * tiles; ++row, t.advance(1), finish.advance(1)) {
    for (int64_t column = 0; column < kVecs * kDotColumns; ++column) {
      const int8_t* weights = t.weights + column / kDotColumns * t.weight_vec_stride + column % kDotColumns * 4;
      int32_t sum = t.begin[column];
      for (int64_t i = 0; i < 4 * t.quads; ++i) sum += t.source[i] * weights[i / 4 * 4 * kDotColumns + i % 4];
      finish.sums[column] = sum;
    }
  }
}
#endif

template <int kVecs, int kRows, class Finish>
HWY_INLINE void tiles_of_dots_of_height(int64_t height, const StridedDots& t, const Finish& finish, int64_t tiles,
                                        Ahead& ahead) {
  if (height == kRows) return tiles_of_dots<kRows, kVecs>(t, finish, tiles, ahead);
  if constexpr (kRows > 1) tiles_of_dots_of_height<kVecs, kRows - 1>(height, t, finish, tiles, ahead);
}

// Any number of rows in as few tiles as possible, of two heights that differ by 1.
template <int kVecs, class Finish>
HWY_INLINE void rows_of_dots(int64_t rows, StridedDots t, Finish finish, Ahead& ahead) {
  constexpr int kRows = dot_rows(kVecs);
  const int64_t tiles = (rows + kRows - 1) / kRows;
  const int64_t low = rows / tiles;
  const int64_t higher = rows - low * tiles;  // this many tiles have low + 1 rows
  if (higher > 0) tiles_of_dots_of_height<kVecs, kRows>(low + 1, t, finish, higher, ahead);
  t.advance(higher * (low + 1));
  finish.advance(higher * (low + 1));
  tiles_of_dots_of_height<kVecs, kRows>(low, t, finish, tiles - higher, ahead);
}

// For fewer columns than kDotVecs vectors, whose rows are cheap: tiles of eight rows and of one, so that there are few kinds.
template <int kVecs = kDotVecs - 1, class Finish>
HWY_INLINE void rows_of_few_dots(int64_t columns, int64_t rows, StridedDots t, Finish finish, Ahead& ahead) {
  if constexpr (kVecs > 1) {
    if (columns <= (kVecs - 1) * kDotColumns) {
      return rows_of_few_dots<kVecs - 1>(columns, rows, t, finish, ahead);
    }
  }
  constexpr int kRows = 8;
  const int64_t tiles = rows / kRows;
  if (tiles > 0) tiles_of_dots<kRows, kVecs>(t, finish, tiles, ahead);
  t.advance(tiles * kRows);
  finish.advance(tiles * kRows);
  if (rows > tiles * kRows) tiles_of_dots<1, kVecs>(t, finish, rows - tiles * kRows, ahead);
}

// For the columns that there are.
template <int kVecs = kDotVecs>
HWY_INLINE void rows_of_dots_wide(int64_t columns, int64_t rows, const StridedDots& t, const StoreSums& finish,
                                  Ahead& ahead) {
  if constexpr (kVecs > 1) {
    if (columns <= (kVecs - 1) * kDotColumns) return rows_of_dots_wide<kVecs - 1>(columns, rows, t, finish, ahead);
  }
  rows_of_dots<kVecs>(rows, t, finish, ahead);
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // toggle guard
