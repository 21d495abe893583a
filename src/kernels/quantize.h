// SPDX-License-Identifier: Apache-2.0
// Conversions between number formats: float, 8-bit integers with a scale and a zero point, and bfloat16.
#pragma once

#include <cstdint>

#include "kernels/copy.h"
#include "kernels/epilogue.h"

namespace tfengine::kernels {

// A tensor's numbers: real = (integer - zero) * scale. The defaults are those of F32.
struct Format {
  Elem elem = Elem::F32;
  float scale = 1.0f;
  float zero = 0.0f;
};

// dst = saturate(round_half_even(src * inv_scale + zero)); NaN becomes 0, infinities saturate. dst_elem: S8 or U8.
void quantize_f32(const Rows& rows, const float* src, float inv_scale, Elem dst_elem, void* dst, int threads,
                  float zero = 0.0f);
// dst = (src - zero) * scale. src_elem: S8 or U8.
void dequantize_to_f32(const Rows& rows, Elem src_elem, const void* src, float scale, float* dst, int threads,
                       float zero = 0.0f);
// dst = saturate(round_half_even(src * factor + zero)), factor = src_scale / dst_scale. S8 or U8 on both sides.
void requantize(const Rows& rows, Elem src_elem, const void* src, float factor, Elem dst_elem, void* dst, int threads,
                float zero = 0.0f);
// Any pair of formats by the three above, or a copy.
void convert_elem(const Rows& rows, const Format& src_format, const void* src, const Format& dst_format, void* dst,
                  int threads);

// Round half to even; NaN stays NaN.
void f32_to_bf16(const Rows& rows, const float* src, uint16_t* dst, int threads);
void bf16_to_f32(const Rows& rows, const uint16_t* src, float* dst, int threads);

}  // namespace tfengine::kernels
