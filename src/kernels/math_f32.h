// SPDX-License-Identifier: Apache-2.0
// Transcendental functions of float32 that eltwise.h has no vectors for.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

enum class MathOp : uint8_t { Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Asinh, Acosh, Atanh, Expm1, Log1p, Lgamma };

// dst may be src. Vectors are good to a few units in the last place; blocks with arguments for which they are not (large
// angles, limits, no numbers) are computed one by one with the standard library.
void math_f32(MathOp op, int64_t count, const float* src, float* dst, int threads);
// What the function costs per element on one core of 3.5 GHz, roughly.
double math_ns(MathOp op);
// The angle of (x, y), as std::atan2.
void atan2_f32(int64_t count, const float* y, const float* x, float* dst, int threads);

}  // namespace tfengine::kernels
