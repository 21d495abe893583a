// SPDX-License-Identifier: Apache-2.0
// Einsum of two float tensors as a matrix product between transposes and reshapes, which attention and dense layers then
// share with everything else: MatMul where one operand is constant and no label runs through both, else BatchMatMulV2.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int lower_einsum(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
