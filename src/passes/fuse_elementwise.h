// SPDX-License-Identifier: Apache-2.0
// Gathers elementwise nodes that hang together into FusedElementwise nodes (ops/fused_elementwise.h), which pass over memory
// once. It needs static shapes, and is the last rewrite before planning: what INT8 and epilogues want of the nodes they have
// by then.
#pragma once

#include <functional>

#include "ir/graph.h"

namespace tfengine::passes {

// Whether the backend runs the node as part of a FusedElementwise.
using CanFuse = std::function<bool(const ir::Graph& graph, const ir::Node& node)>;

// Rewrites the graph and the regions of its loops and branches; returns how many nodes it made. Values that others need keep
// their names; the fused node has the name of its last member. Denylisted nodes stay as they are.
int fuse_elementwise(ir::Graph& graph, const CanFuse& can_fuse);

}  // namespace tfengine::passes
