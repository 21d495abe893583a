// SPDX-License-Identifier: Apache-2.0
// Between float32 and the 16-bit floating point types, rounding to nearest even.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

enum class Short : uint8_t { F16, BF16 };
void widen(Short type, int64_t count, const uint16_t* src, float* dst, int threads);
void narrow(Short type, int64_t count, const float* src, uint16_t* dst, int threads);

}  // namespace tfengine::kernels
