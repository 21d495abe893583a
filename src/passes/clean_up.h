// SPDX-License-Identifier: Apache-2.0
// Inference-time clean-up: nodes that only matter while training or debugging (Identity, StopGradient, CheckNumerics,
// Assert, dropout left in the graph) cost a copy or block fusion, and change no value.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int clean_up(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
