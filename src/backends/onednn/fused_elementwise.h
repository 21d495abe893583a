// SPDX-License-Identifier: Apache-2.0
// Elementwise nodes that run as one: their region becomes a program of kernels/chain.h.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics fused_elementwise_tactics(const StepSpec& spec);

// Whether the node can be a part of a FusedElementwise here.
bool can_fuse(const ir::Graph& graph, const ir::Node& node);

}  // namespace tfengine::onednn
