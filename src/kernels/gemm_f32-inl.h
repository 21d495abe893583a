// SPDX-License-Identifier: Apache-2.0
// The inner loop of the float kernels: tiles of up to kFloatRows rows x 16 columns. Included inside foreach_target.h.
#if defined(TFENGINE_KERNELS_GEMM_F32_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_GEMM_F32_INL_H_
#undef TFENGINE_KERNELS_GEMM_F32_INL_H_
#else
#define TFENGINE_KERNELS_GEMM_F32_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, 16>;
inline constexpr int kFloatLanes = static_cast<int>(hn::MaxLanes(FloatTag()));
inline constexpr int kFloatVecs = 16 / kFloatLanes;
// Accumulators, a step's weights and a source value fill 16 registers. 6 rows take 6 cycles per step on CPUs with two
// multiply-add units, against 4 for the loads. AVX-512 has 32 registers, enough for 14 rows of 32 columns.
inline constexpr int kFloatRows = kFloatLanes >= 16 ? 14 : kFloatLanes == 8 ? 6 : kFloatLanes == 4 ? 2 : 1;

inline constexpr int64_t kLineFloats = 16;
// With 14 rows of 32 columns a step is 14 cycles: a line every 28 cycles, some 6 GB/s for each core, and all of the next 32
// columns within four tiles.
inline constexpr int64_t kFetchSteps = 2;

// Rows at a constant distance, `steps` values each.
struct StridedFloats {
  const float* source;
  int64_t row_stride;
  int64_t steps;
  const float* weights;  // of each step: kVecs vectors
  float* sums;           // of vector v of row r: at sums + r * sum_row_stride + v * sum_vec_stride
  int64_t sum_row_stride, sum_vec_stride;
  bool add = false;  // to what is in `sums`
  // Lines of the caches that tiles of kFetch bring nearer meanwhile, one every kFetchSteps steps.
  const float* fetch = nullptr;
  int64_t fetch_lines = 0;

  void advance(int64_t rows) {
    source += rows * row_stride;
    sums += rows * sum_row_stride;
  }
  void fetched() {
    const int64_t lines = std::min(fetch_lines, (steps + kFetchSteps - 1) / kFetchSteps);
    fetch += lines * kLineFloats;
    fetch_lines -= lines;
  }
};

// The sums of kRows rows over all steps.
template <int kRows, int kVecs, bool kFetch = false>
HWY_NOINLINE void tile_of_floats(const StridedFloats& t) {
  const FloatTag d;
  const int64_t row_stride = t.row_stride;
  hn::Vec<FloatTag> acc[kRows][kVecs];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v) {
      acc[r][v] = t.add ? hn::LoadU(d, t.sums + r * t.sum_row_stride + v * t.sum_vec_stride) : hn::Zero(d);
    }
  }
  const float* HWY_RESTRICT source = t.source;
  const float* HWY_RESTRICT weights = t.weights;
  const float* fetch = t.fetch;
  for (int64_t step = 0; step < t.steps; ++step) {
    if constexpr (kFetch) {
      if (step % kFetchSteps == 0) {
        __builtin_prefetch(fetch, 0, 2);
        fetch += kLineFloats;
      }
    }
    hn::Vec<FloatTag> w[kVecs];
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v) w[v] = hn::LoadU(d, weights + kFloatLanes * v);
    weights += kFloatLanes * kVecs;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const auto x = hn::Set(d, source[r * row_stride]);
#pragma GCC unroll 16
      for (int v = 0; v < kVecs; ++v) acc[r][v] = hn::MulAdd(x, w[v], acc[r][v]);
    }
    ++source;
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v) hn::StoreU(acc[r][v], d, t.sums + r * t.sum_row_stride + v * t.sum_vec_stride);
  }
}

template <int kVecs, bool kFetch = false, int kRows = kFloatRows>
HWY_INLINE void tile_of_floats_rows(int64_t rows, const StridedFloats& t) {
  if (rows == kRows) return tile_of_floats<kRows, kVecs, kFetch>(t);
  if constexpr (kRows > 1) tile_of_floats_rows<kVecs, kFetch, kRows - 1>(rows, t);
}

// Any number of rows, in tiles whose heights differ by at most 1.
template <int kVecs>
HWY_INLINE void rows_of_floats(int64_t rows, StridedFloats t) {
  const int64_t tiles = (rows + kFloatRows - 1) / kFloatRows;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t height = rows * (tile + 1) / tiles - rows * tile / tiles;
    tile_of_floats_rows<kVecs>(height, t);
    t.advance(height);
  }
}

// As rows_of_floats; `t` is left with the lines that are still to be fetched.
template <int kVecs>
HWY_INLINE void rows_of_floats_fetching(int64_t rows, StridedFloats& t) {
  const int64_t tiles = (rows + kFloatRows - 1) / kFloatRows;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t height = rows * (tile + 1) / tiles - rows * tile / tiles;
    if (t.fetch_lines > 0) {
      tile_of_floats_rows<kVecs, true>(height, t);
      t.fetched();
    } else {
      tile_of_floats_rows<kVecs>(height, t);
    }
    t.advance(height);
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // toggle guard
