// SPDX-License-Identifier: Apache-2.0
// Finds attention as exporters write it (two products of matrices with scaling, a mask and Softmax between them, and heads
// transposed to the front and back) and makes one Attention node of it (ops/attention.cpp), whose scores never leave the
// caches. It needs static shapes and runs just before planning, as fuse_elementwise.h does, behind INT8: there the result may
// be quantized in front of its Transpose.
#pragma once

#include <functional>

#include "ir/graph.h"

namespace tfengine::passes {

// Whether the backend runs an Attention node, which has its first three inputs.
using RunsAttention = std::function<bool(const ir::Graph& graph, const ir::Node& node)>;

// Rewrites the graph; returns how many nodes it made, each under the name of the second product. Scores and probabilities
// that something else needs, and denylisted nodes, stay as they are.
int fuse_attention(ir::Graph& graph, const RunsAttention& runs);

}  // namespace tfengine::passes
