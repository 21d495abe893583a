// SPDX-License-Identifier: Apache-2.0
// Conversions between number formats: float, 8-bit integers with a scale and zero point 0, and bfloat16.
#pragma once

#include <cstdint>

#include "kernels/copy.h"
#include "kernels/epilogue.h"

namespace tfengine::kernels {

// dst = saturate(round_half_even(src * inv_scale)); NaN becomes 0, infinities saturate. dst_elem: S8 or U8.
void quantize_f32(const Rows& rows, const float* src, float inv_scale, Elem dst_elem, void* dst, int threads);
// dst = src * scale. src_elem: S8 or U8.
void dequantize_to_f32(const Rows& rows, Elem src_elem, const void* src, float scale, float* dst, int threads);
// dst = saturate(round_half_even(src * factor)), factor = src_scale / dst_scale. S8 or U8 on both sides.
void requantize(const Rows& rows, Elem src_elem, const void* src, float factor, Elem dst_elem, void* dst, int threads);
// Any pair of Elem by the three above, or a copy.
void convert_elem(const Rows& rows, Elem src_elem, float src_scale, const void* src, Elem dst_elem, float dst_inv_scale,
                  void* dst, int threads);

// Round half to even; NaN stays NaN.
void f32_to_bf16(const Rows& rows, const float* src, uint16_t* dst, int threads);
void bf16_to_f32(const Rows& rows, const uint16_t* src, float* dst, int threads);

}  // namespace tfengine::kernels
