// SPDX-License-Identifier: Apache-2.0
// Convolutions and matrix products that multiply bfloat16 numbers, of a float graph or of what INT8 leaves in float. Sums
// are float32, and so is what a layer gives to anybody but another such layer: results of a graph, what pooling, softmax and
// quantization read. Denylisted nodes and DepthwiseConv2dNative (which gains nothing) stay float32.
#pragma once

#include <set>
#include <string>

#include "ir/graph.h"

namespace tfengine::detail {

// The names of the nodes that can run so.
std::set<std::string> bf16_nodes(const ir::Graph& graph);

// `keep`: names of nodes that stay float32. InvalidArgument when this CPU has no bfloat16 arithmetic, where it would only be
// slower.
ir::Graph to_bf16(const ir::Graph& graph, const std::set<std::string>& keep = {});

// Makes such nodes float32 again, for a CPU without bfloat16 arithmetic; false if there are none.
bool undo_bf16(ir::Graph& graph);

}  // namespace tfengine::detail
