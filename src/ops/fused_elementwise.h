// SPDX-License-Identifier: Apache-2.0
// FusedElementwise(inputs...) -> outputs...: elementwise nodes that run as one, in one pass over memory. They stand in the
// node's one region, which takes the node's inputs and has constants of one element of its own. Outputs have one shape;
// inputs are broadcast to it inside. passes/fuse_elementwise.h makes such nodes.
#pragma once

#include "ir/graph.h"

namespace tfengine::ops {

inline constexpr const char* kFusedElementwise = "FusedElementwise";
bool is_fused(const ir::Node& node);
// Checks the region and what it takes and returns; InvalidModel naming the node.
void check_fused(const ir::Node& node);

}  // namespace tfengine::ops
