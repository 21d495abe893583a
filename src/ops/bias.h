// SPDX-License-Identifier: Apache-2.0
// The bias in a node's epilogue: a constant float vector, one number for each output channel.
#pragma once

#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace tfengine::ops {

// The bias, or `channels` zeros when there is none.
std::vector<double> bias_of(const ir::Graph& graph, const ir::Node& node, int64_t channels);
// Sets or replaces it by a new constant "<node>/<name>"; nothing is added when it is all zeros and there was none.
void set_bias(ir::Graph& graph, ir::NodeId id, std::string_view name, const std::vector<double>& bias);

}  // namespace tfengine::ops
