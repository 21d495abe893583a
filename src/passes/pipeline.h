// SPDX-License-Identifier: Apache-2.0
// The ordered list of graph rewrites between import and quantization: after it the graph holds only fused, inference-time
// nodes, with ranges of quantization nodes on the tensors themselves. Fusion happens here and nowhere else.
#pragma once

#include <span>
#include <string_view>

#include "passes/pass.h"

namespace tfengine::passes {

// Optimises `graph` in place; its inputs, and its outputs' names and values, stay.
PassReport run_pipeline(ir::Graph& graph, const PassOptions& options = {});

// Names that PassOptions::disabled and dump may hold, in order of running, each once.
std::vector<std::string_view> pass_names();

}  // namespace tfengine::passes
