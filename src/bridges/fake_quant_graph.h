// SPDX-License-Identifier: Apache-2.0
// An engine's graph as a frozen TensorFlow GraphDef: tensors that the engine stores in INT8 have fake-quant nodes, and
// weights are the float numbers that their integers stand for.
#pragma once

#include <string>

#include "ir/graph.h"

namespace tfengine::bridges {

// `graph` is an engine's, with types. Nodes for inputs and outputs have the names of the engine's. InvalidArgument naming
// nodes that TensorFlow has no op for here.
std::string write_fake_quant_graph(const ir::Graph& graph);

}  // namespace tfengine::bridges
