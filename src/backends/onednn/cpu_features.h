// SPDX-License-Identifier: Apache-2.0
// What oneDNN may use of this CPU.
#pragma once

#include <string>

namespace tfengine::onednn {

// Whether this CPU multiplies u8 and s8 into s32 without saturation in between (VNNI or AMX): otherwise oneDNN's INT8
// kernels saturate 16-bit sums or halve the weights, and are not exact.
bool int8_is_exact();
// Whether the implementation of that name uses those instructions: beside them oneDNN lists kernels for older CPUs, which
// are not exact on new ones either.
bool is_exact_int8(const std::string& implementation);
// bfloat16 arithmetic in hardware.
bool has_bf16();

}  // namespace tfengine::onednn
