// SPDX-License-Identifier: Apache-2.0
// A zero Pad in front of a convolution, or of max pooling over non-negative values, becomes the window's own padding.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int fold_pads(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
