// SPDX-License-Identifier: Apache-2.0
// FusedElementwise(inputs...) -> outputs...: elementwise nodes that run as one, in one pass over memory. They stand in the
// node's one region, which takes the node's inputs and has constants of one element of its own. Outputs have one shape;
// inputs are broadcast to it inside. A reduction over the last axes may be the region's last node: then it makes the one
// output, and its axes are a constant of the region. passes/fuse_elementwise.h and passes/fuse_reductions.h make such nodes.
#pragma once

#include <string>

#include "ir/graph.h"

namespace tfengine::ops {

inline constexpr const char* kFusedElementwise = "FusedElementwise";
bool is_fused(const ir::Node& node);
// Whether the op folds axes of its first input, which its second one names.
bool is_reduction(const std::string& op);
// The reduction that the region of a fused node ends with, or kNone.
ir::NodeId final_reduction(const ir::Graph& region);
// Checks the region and what it takes and returns; InvalidModel naming the node.
void check_fused(const ir::Node& node);

}  // namespace tfengine::ops
