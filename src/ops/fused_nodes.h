// SPDX-License-Identifier: Apache-2.0
// Nodes that TensorFlow's users or Grappler fused: FusedConv2DBiasActivation, _FusedConv2D and _FusedMatMul. They mean a
// small graph of plain ops, and are defined by it.
#pragma once

#include <span>

#include "ir/graph.h"

namespace tfengine::ops {

bool is_fused_node(const ir::Node& node);

// The graph that such a node stands for: its inputs are the node's, in order, its one output is the node's. `constants[i]`
// is undefined where the value of input i is not known. Tensors are named after the node ("node/product").
// InvalidModel naming the node where it fuses what tfengine does not know.
ir::Graph parts_of_fused(const ir::Node& node, std::span<const Tensor> constants);

}  // namespace tfengine::ops
