// SPDX-License-Identifier: Apache-2.0
// Loops and branches of TensorFlow 1 (Switch, Merge, Enter, Exit): under which conditions, and in which loops, each node
// runs. Nodes that do not run together may not be in one engine, which would be dead where one of its inputs is.
#pragma once

#include <vector>

#include "compiler/graph_def/view.h"

namespace tfengine::graphdef {

// By node: 0 for what always runs once; equal numbers run together.
std::vector<int> control_contexts(const GraphView& view);

// Switch, Merge, Enter, Exit and the like.
bool is_control_flow(std::string_view op);

}  // namespace tfengine::graphdef
