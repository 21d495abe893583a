// SPDX-License-Identifier: Apache-2.0
// FakeQuant* and QuantizeAndDequantize* nodes say which range a tensor was trained for. On activations they become
// ranges on the tensors; on constant weights their rounding is applied to the values. Either way the node goes.
#pragma once

#include "ir/graph.h"
#include "passes/pass.h"

namespace tfengine::passes {

bool is_quantization_node(const ir::Node& node);
// InvalidModel when two nodes give one tensor different ranges, or a range is not a finite interval.
int quantization_nodes(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
