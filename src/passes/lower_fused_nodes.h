// SPDX-License-Identifier: Apache-2.0
// Fused nodes of TensorFlow (ops/fused_nodes.h) as the plain ops that they stand for, which all other passes know.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int lower_fused_nodes(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
