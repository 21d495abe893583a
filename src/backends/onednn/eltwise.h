// SPDX-License-Identifier: Apache-2.0
// Elementwise ops, float and INT8, as one pass over memory each.
#pragma once

#include "backends/onednn/support.h"
#include "kernels/eltwise.h"

namespace tfengine::onednn {

Tactics unary_tactics(const StepSpec& spec);
Tactics binary_tactics(const StepSpec& spec);
// x * scale[C] + offset[C], then the epilogue's activation.
Tactics affine_tactics(const StepSpec& spec);
// Up to eight float tensors in one pass.
Tactics add_n_tactics(const StepSpec& spec);

bool is_unary(const std::string& op);
bool is_binary(const std::string& op);
// What the kernels do for a node of float tensors, without its epilogue; nullopt for other ops.
std::optional<kernels::EltwiseStep> unary_step(const ir::Node& node);
std::optional<kernels::EltwiseOp> binary_op(const std::string& op);

}  // namespace tfengine::onednn
