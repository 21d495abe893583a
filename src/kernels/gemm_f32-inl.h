// SPDX-License-Identifier: Apache-2.0
// The inner loop of the float kernels: tiles of up to kFloatRows rows x 16 columns. Included inside foreach_target.h.
#if defined(TFENGINE_KERNELS_GEMM_F32_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_GEMM_F32_INL_H_
#undef TFENGINE_KERNELS_GEMM_F32_INL_H_
#else
#define TFENGINE_KERNELS_GEMM_F32_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, 16>;
inline constexpr int kFloatLanes = static_cast<int>(hn::MaxLanes(FloatTag()));
inline constexpr int kFloatVecs = 16 / kFloatLanes;
// Accumulators, a step's weights and a source value fill 16 registers (of AVX-512 32). 6 rows take 6 cycles per step on
// CPUs with two multiply-add units, against 4 for the loads.
inline constexpr int kFloatRows = kFloatLanes >= 16 ? 12 : kFloatLanes == 8 ? 6 : kFloatLanes == 4 ? 2 : 1;

// acc[row * acc_stride + column] = sum over k of rows[row][k] * weights[k * 16 + column].
template <int kRows>
HWY_NOINLINE void tile_of_floats(const float* const* rows, int64_t steps, const float* HWY_RESTRICT weights,
                                 float* HWY_RESTRICT acc_out, int64_t acc_stride) {
  const FloatTag d;
  hn::Vec<FloatTag> acc[kRows][kFloatVecs];
  const float* row[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    row[r] = rows[r];
#pragma GCC unroll 16
    for (int v = 0; v < kFloatVecs; ++v) acc[r][v] = hn::Zero(d);
  }
#pragma GCC unroll 2
  for (int64_t k = 0; k < steps; ++k) {
    hn::Vec<FloatTag> w[kFloatVecs];
#pragma GCC unroll 16
    for (int v = 0; v < kFloatVecs; ++v) w[v] = hn::LoadU(d, weights + kFloatLanes * v);
    weights += 16;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const auto x = hn::Set(d, row[r][k]);
#pragma GCC unroll 16
      for (int v = 0; v < kFloatVecs; ++v) acc[r][v] = hn::MulAdd(x, w[v], acc[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kFloatVecs; ++v) hn::StoreU(acc[r][v], d, acc_out + acc_stride * r + kFloatLanes * v);
  }
}

template <int kRows = kFloatRows>
HWY_INLINE void tile_of_floats_rows(int rows_n, const float* const* rows, int64_t steps, const float* weights,
                                    float* acc, int64_t acc_stride) {
  if (rows_n == kRows) return tile_of_floats<kRows>(rows, steps, weights, acc, acc_stride);
  if constexpr (kRows > 1) tile_of_floats_rows<kRows - 1>(rows_n, rows, steps, weights, acc, acc_stride);
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // toggle guard
