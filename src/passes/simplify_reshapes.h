// SPDX-License-Identifier: Apache-2.0
// Reshapes, squeezes, slices, pads and casts that do nothing, or can be one: they cost little each, but stand between
// nodes that would fuse, and dynamic shape arithmetic hangs on them.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int simplify_reshapes(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
