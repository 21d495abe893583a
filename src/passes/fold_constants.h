// SPDX-License-Identifier: Apache-2.0
// Computes at compile time what depends on constants only, or on shapes that are known. Quantization nodes are left to
// quantization_nodes.h, which has to see them first.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int fold_constants(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
