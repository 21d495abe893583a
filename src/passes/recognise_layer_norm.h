// SPDX-License-Identifier: Apache-2.0
// Layer normalisation as Keras and TensorFlow spell it (six to ten nodes with two reductions) becomes one LayerNorm.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int recognise_layer_norm(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
