// SPDX-License-Identifier: Apache-2.0
// Takes a reduction over the last axes into the FusedElementwise node that makes what it folds, and into a new one where that
// is a single elementwise node: the values are folded where they are made, and never go to memory. Runs behind
// fuse_elementwise.
#pragma once

#include "passes/fuse_elementwise.h"

namespace tfengine::passes {

// `can_end`: whether the backend runs the reduction as the last node of a FusedElementwise. Returns how many it took.
int fuse_reductions(ir::Graph& graph, const CanFuse& can_fuse, const CanFuse& can_end);

}  // namespace tfengine::passes
