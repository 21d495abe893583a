// SPDX-License-Identifier: Apache-2.0
// Any unary function between 8-bit tensors as one look-up in 256 bytes: sigmoid, swish, tanh, gelu in INT8.
#pragma once

#include <cstdint>

#include "kernels/copy.h"
#include "kernels/eltwise.h"
#include "kernels/quantize.h"

namespace tfengine::kernels {

// table[byte of src] = byte of dst; an s8 source is indexed by its bit pattern (so -1 is entry 255).
struct Lut {
  alignas(64) uint8_t table[256];
};

// table for dst = saturate(round_half_even(f((src - src.zero) * src.scale) / dst.scale + dst.zero)); f is evaluated in
// double by the caller's function. Elements are S8 or U8.
Lut make_lut(const Format& src, const Format& dst, double (*function)(double, const void*), const void* context);

// The same for one unary step of eltwise.h, with that step's alpha and beta.
Lut make_lut(const Format& src, const Format& dst, EltwiseOp op, float alpha = 0, float beta = 0);

// src and dst may be the same memory when their strides are.
void lut_run(const Lut& lut, const Rows& rows, const void* src, void* dst, int threads);

}  // namespace tfengine::kernels
