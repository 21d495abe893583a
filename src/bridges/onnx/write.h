// SPDX-License-Identifier: Apache-2.0
// An engine's graph as an ONNX model of opset 13: tensors that the engine stores in INT8 have QuantizeLinear and
// DequantizeLinear nodes, weights are INT8 with a scale per channel. Inputs and outputs keep their names and layouts.
#pragma once

#include <string>

#include "ir/graph.h"

namespace tfengine::bridges::onnx {

// `graph` is an engine's, with types. InvalidArgument naming nodes that ONNX has no op for here.
std::string write_model(const ir::Graph& graph);

}  // namespace tfengine::bridges::onnx
