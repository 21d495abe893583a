// SPDX-License-Identifier: Apache-2.0
// The inner loop of the exact INT8 kernels: tiles of up to kTileRows rows x 16 columns of 32-bit sums of products of 16-bit
// values, two products per instruction (vpmaddwd). Included inside foreach_target.h.
//
// Why 16 bits: the 8-bit multiply-add of CPUs without a dot-product instruction (vpmaddubsw) saturates its 16-bit sums.
// Both operands are widened beforehand: widening the weights in the inner loop costs a third of the speed (Zen 3: 50
// instead of 77 billion products per second and core).
#if defined(TFENGINE_KERNELS_GEMM_PAIRS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_GEMM_PAIRS_INL_H_
#undef TFENGINE_KERNELS_GEMM_PAIRS_INL_H_
#else
#define TFENGINE_KERNELS_GEMM_PAIRS_INL_H_
#endif

#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// ---- The one operation that the tile needs: pairs of 16-bit values. The scalar target has no vector of two.

#if HWY_TARGET == HWY_SCALAR
using AccTag = hn::ScalableTag<int32_t>;
struct PairVec {
  int16_t even, odd;
};
HWY_INLINE PairVec load_pairs(const int16_t* p) { return {p[0], p[1]}; }
HWY_INLINE PairVec broadcast_pair(const int16_t* p) { return {p[0], p[1]}; }
template <bool kDot = false>
HWY_INLINE hn::Vec<AccTag> add_products(PairVec a, PairVec b, hn::Vec<AccTag> acc) {
  return hn::Add(acc, hn::Set(AccTag(), a.even * b.even + a.odd * b.odd));
}
#else
// 16 columns are one vector of AVX-512; wider ones (SVE) would need another packing.
using AccTag = hn::CappedTag<int32_t, 16>;
using PairTag = hn::Repartition<int16_t, AccTag>;
using PairVec = hn::Vec<PairTag>;
HWY_INLINE PairVec load_pairs(const int16_t* p) { return hn::LoadU(PairTag(), p); }
HWY_INLINE PairVec broadcast_pair(const int16_t* p) {
  int32_t both;
  std::memcpy(&both, p, sizeof(both));
  return hn::BitCast(PairTag(), hn::Set(AccTag(), both));
}
// kDot: with AVX512_VNNI's one instruction for it (has_pair_dot), which no target of Highway 1.0.3 uses.
template <bool kDot = false>
HWY_INLINE hn::Vec<AccTag> add_products(PairVec a, PairVec b, hn::Vec<AccTag> acc) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (kDot) {
    __asm__("vpdpwssd %2, %1, %0" : "+v"(acc.raw) : "v"(a.raw), "v"(b.raw));
    return acc;
  }
#endif
  auto unused = hn::Zero(AccTag());
  return hn::ReorderWidenMulAccumulate(AccTag(), a, b, acc, unused);
}
#endif

inline constexpr int kAccLanes = static_cast<int>(hn::MaxLanes(AccTag()));
inline constexpr int kColumnVecs = 16 / kAccLanes;
// Rows so that accumulators, the weights of a pair and two temporaries fill the registers: 16, of AVX-512 32.
inline constexpr int kTileRows = kAccLanes >= 16 ? 12 : kAccLanes == 8 ? 6 : kAccLanes == 4 ? 2 : 1;

// Columns are interleaved by pairs: weights[(pair * 16 + column) * 2 + {0, 1}].
struct PairRuns {
  const int64_t* offsets;  // run r of a row starts offsets[r] elements after the row's pointer
  int64_t runs;
  int64_t pairs;  // of a run
};

// acc[row * acc_stride + column] = sum over all pairs. Every row pointer must be readable to the end of its last pair.
template <int kRows>
HWY_NOINLINE void tile_of_pairs(const int16_t* const* rows, const PairRuns& runs, const int16_t* HWY_RESTRICT weights,
                                int32_t* HWY_RESTRICT acc_out, int64_t acc_stride) {
  hn::Vec<AccTag> acc[kRows][kColumnVecs];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kColumnVecs; ++v) acc[r][v] = hn::Zero(AccTag());
  }
  for (int64_t run = 0; run < runs.runs; ++run) {
    const int16_t* row[kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) row[r] = rows[r] + runs.offsets[run];
#pragma GCC unroll 2
    for (int64_t k = 0; k < 2 * runs.pairs; k += 2) {
      PairVec w[kColumnVecs];
#pragma GCC unroll 16
      for (int v = 0; v < kColumnVecs; ++v) w[v] = load_pairs(weights + 2 * kAccLanes * v);
      weights += 2 * 16;
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const PairVec pair = broadcast_pair(row[r] + k);
#pragma GCC unroll 16
        for (int v = 0; v < kColumnVecs; ++v) acc[r][v] = add_products(pair, w[v], acc[r][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kColumnVecs; ++v) hn::StoreU(acc[r][v], AccTag(), acc_out + acc_stride * r + kAccLanes * v);
  }
}

template <int kRows = kTileRows>
HWY_INLINE void tile_of_pairs_rows(int rows_n, const int16_t* const* rows, const PairRuns& runs, const int16_t* weights,
                                   int32_t* acc, int64_t acc_stride) {
  if (rows_n == kRows) return tile_of_pairs<kRows>(rows, runs, weights, acc, acc_stride);
  if constexpr (kRows > 1) tile_of_pairs_rows<kRows - 1>(rows_n, rows, runs, weights, acc, acc_stride);
}

// The same for short runs, as one list: pair i of a row starts offsets[i] elements after the row's pointer.
template <int kRows>
HWY_NOINLINE void tile_of_listed_pairs(const int16_t* const* rows, const int32_t* HWY_RESTRICT offsets, int64_t pairs,
                                       const int16_t* HWY_RESTRICT weights, int32_t* HWY_RESTRICT acc_out) {
  hn::Vec<AccTag> acc[kRows][kColumnVecs];
  const int16_t* row[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    row[r] = rows[r];
#pragma GCC unroll 16
    for (int v = 0; v < kColumnVecs; ++v) acc[r][v] = hn::Zero(AccTag());
  }
  for (int64_t i = 0; i < pairs; ++i) {
    const int64_t k = offsets[i];
    PairVec w[kColumnVecs];
#pragma GCC unroll 16
    for (int v = 0; v < kColumnVecs; ++v) w[v] = load_pairs(weights + 2 * kAccLanes * v);
    weights += 2 * 16;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const PairVec pair = broadcast_pair(row[r] + k);
#pragma GCC unroll 16
      for (int v = 0; v < kColumnVecs; ++v) acc[r][v] = add_products(pair, w[v], acc[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kColumnVecs; ++v) hn::StoreU(acc[r][v], AccTag(), acc_out + 16 * r + kAccLanes * v);
  }
}

template <int kRows = kTileRows>
HWY_INLINE void tile_of_listed_pairs_rows(int64_t rows_n, const int16_t* const* rows, const int32_t* offsets,
                                          int64_t pairs, const int16_t* weights, int32_t* acc) {
  if (rows_n == kRows) return tile_of_listed_pairs<kRows>(rows, offsets, pairs, weights, acc);
  if constexpr (kRows > 1) tile_of_listed_pairs_rows<kRows - 1>(rows_n, rows, offsets, pairs, weights, acc);
}

// The same for rows at a constant distance and one run. Few inputs make short loops, so that gathering pointers and calling
// would take as long as multiplying.
struct StridedPairs {
  const int16_t* source;
  int64_t row_stride;
  int64_t pairs;
  const int16_t* weights;
  int64_t weight_stride;  // from one pair's weights to the next's, of kVecs vectors or more
  int32_t* sums;          // of vector v of row r: at sums + r * sum_row_stride + v * sum_vec_stride
  int64_t sum_row_stride, sum_vec_stride;
  bool add = false;  // to what is in `sums`

  void advance(int64_t rows) {
    source += rows * row_stride;
    sums += rows * sum_row_stride;
  }
};

// `tiles` tiles of kRows rows.
template <int kRows, int kVecs, bool kDot>
HWY_NOINLINE void strided_tiles_of_pairs(StridedPairs t, int64_t tiles) {
  const int64_t row_stride = t.row_stride, weight_stride = t.weight_stride;
  for (; tiles != 0; --tiles) {
    hn::Vec<AccTag> acc[kRows][kVecs];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVecs; ++v) {
        const int32_t* sums = t.sums + r * t.sum_row_stride + v * t.sum_vec_stride;
        acc[r][v] = t.add ? hn::LoadU(AccTag(), sums) : hn::Zero(AccTag());
      }
    }
    const int16_t* HWY_RESTRICT source = t.source;
    const int16_t* HWY_RESTRICT weights = t.weights;
    for (int64_t pair = 0; pair < t.pairs; ++pair) {
      PairVec w[kVecs];
#pragma GCC unroll 16
      for (int v = 0; v < kVecs; ++v) w[v] = load_pairs(weights + 2 * kAccLanes * v);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const PairVec both = broadcast_pair(source + r * row_stride);
#pragma GCC unroll 16
        for (int v = 0; v < kVecs; ++v) acc[r][v] = add_products<kDot>(both, w[v], acc[r][v]);
      }
      source += 2;
      weights += weight_stride;
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVecs; ++v) {
        hn::StoreU(acc[r][v], AccTag(), t.sums + r * t.sum_row_stride + v * t.sum_vec_stride);
      }
    }
    t.advance(kRows);
  }
}

template <int kVecs, bool kDot, int kRows>
HWY_INLINE void strided_tiles_of_height(int64_t height, const StridedPairs& t, int64_t tiles) {
  if (height == kRows) return strided_tiles_of_pairs<kRows, kVecs, kDot>(t, tiles);
  if constexpr (kRows > 1) strided_tiles_of_height<kVecs, kDot, kRows - 1>(height, t, tiles);
}

// Any number of rows in as few tiles as possible, of two heights that differ by 1. Only the first kVecs vectors of columns
// are computed.
template <int kVecs, int kMostRows = kTileRows, bool kDot = false>
HWY_INLINE void strided_rows_of_pairs(int64_t rows, StridedPairs t) {
  const int64_t tiles = (rows + kMostRows - 1) / kMostRows;
  const int64_t low = rows / tiles;
  const int64_t higher = rows - low * tiles;  // this many tiles have low + 1 rows
  if (higher > 0) strided_tiles_of_height<kVecs, kDot, kMostRows>(low + 1, t, higher);
  t.advance(higher * (low + 1));
  strided_tiles_of_height<kVecs, kDot, kMostRows>(low, t, tiles - higher);
}

// ---- Widening of 8-bit values, 16 bytes at a time where the target can.

template <class T>
HWY_INLINE void widen(const T* HWY_RESTRICT src, int64_t n, int16_t* HWY_RESTRICT dst) {
  const hn::ScalableTag<int16_t> d16;
  const hn::Rebind<T, decltype(d16)> d8;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d16));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::PromoteTo(d16, hn::LoadU(d8, src + i)), d16, dst + i);
  for (; i < n; ++i) dst[i] = src[i];
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // toggle guard
