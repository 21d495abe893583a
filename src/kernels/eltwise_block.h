// SPDX-License-Identifier: Apache-2.0
// Single steps over a short run of values, the pieces that the elementwise kernels are put together from. Each call picks
// the instruction set, so a run should have some tens of values at least. Not for use outside this folder.
#pragma once

#include <cstdint>

#include "kernels/eltwise.h"

namespace tfengine::kernels {

// dst[i] = op(a[i], b[i]); b is not read by unary operations; dst may be a or b.
void block_op(EltwiseOp op, int64_t n, const float* a, const float* b, float alpha, float beta, float* dst);

// Rough cost of one value on one 3.5 GHz AVX2 core, to decide whether threads pay.
double eltwise_ns(EltwiseOp op);

// dst[i] = (src[i] - zero) * scale (F32: copied, scale and zero ignored).
void block_load(Elem elem, int64_t n, const void* src, float scale, float zero, float* dst);

// dst[i] = saturate(round_half_even(src[i] * inv_scale + zero)), NaN to 0 (F32: copied, inv_scale and zero ignored).
void block_store(Elem elem, int64_t n, const float* src, float inv_scale, float zero, void* dst);

// dst[i] = src[i] * scale[i] + bias[i]; null means 1 or 0. dst may be src.
void block_scale_bias(int64_t n, const float* src, const float* scale, const float* bias, float* dst);

inline void block_act(const Act& act, int64_t n, float* x) {
  if (act.kind != ActKind::None) block_op(op_of(act.kind), n, x, nullptr, act.alpha, act.beta, x);
}

inline int64_t elem_bytes(Elem elem) { return elem == Elem::F32 ? 4 : 1; }
inline const void* offset(Elem elem, const void* p, int64_t n) {
  return static_cast<const char*>(p) + n * elem_bytes(elem);
}
inline void* offset(Elem elem, void* p, int64_t n) { return static_cast<char*>(p) + n * elem_bytes(elem); }

}  // namespace tfengine::kernels
