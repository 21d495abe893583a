// SPDX-License-Identifier: Apache-2.0
// Elementwise nodes that run as one: their region becomes a program of kernels/chain.h.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics fused_elementwise_tactics(const StepSpec& spec);

// Whether a node alone is faster as a chain of one: of 16-bit floating point numbers, which other forms convert as a whole,
// functions that are several steps, and results that are written past the caches.
bool better_as_chain(const StepSpec& spec);
Tactics chain_of_one_tactics(const StepSpec& spec);

// Whether the node can be a part of a FusedElementwise here.
bool can_fuse(const ir::Graph& graph, const ir::Node& node);
// Whether the reduction can be the last node of one: of float32, over constant axes that are the last ones.
bool can_end_chain(const ir::Graph& graph, const ir::Node& node);

}  // namespace tfengine::onednn
