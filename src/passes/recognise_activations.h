// SPDX-License-Identifier: Apache-2.0
// Activations that exporters spell as arithmetic (swish, hard-swish, hard-sigmoid, gelu, clip, softmax) become one node,
// which can then fuse into its producer.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int recognise_activations(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
