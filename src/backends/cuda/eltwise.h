// SPDX-License-Identifier: Apache-2.0
// Elementwise ops, float and INT8, with any broadcasting, as one pass over memory each.
#pragma once

#include "backends/cuda/support.h"

namespace tfengine::cuda {

Tactics unary_tactics(const StepSpec& spec);
Tactics binary_tactics(const StepSpec& spec);
// x * scale[C] + offset[C], then the epilogue's activation.
Tactics affine_tactics(const StepSpec& spec);

bool is_unary(const std::string& op);
bool is_binary(const std::string& op);

}  // namespace tfengine::cuda
