// SPDX-License-Identifier: Apache-2.0
// Loops and branches made small: what does not change is no state, what nothing needs is not passed, constants stand in
// the regions that read them, and a branch that is known is part of the graph around it.
#pragma once

#include <vector>

#include "passes/pass.h"

namespace tfengine::passes {

int simplify_regions(ir::Graph& graph, PassContext& context);

// Copies the nodes of `region` into `graph`, `arguments` in the place of its inputs; returns its outputs there.
std::vector<ir::ValueId> inline_region(ir::Graph& graph, const ir::Graph& region,
                                       const std::vector<ir::ValueId>& arguments);

}  // namespace tfengine::passes
