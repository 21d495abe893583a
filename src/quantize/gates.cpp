// SPDX-License-Identifier: Apache-2.0
#include "quantize/gates.h"

#include <algorithm>

#include "quantize/facts.h"

namespace tfengine::quantize {

namespace {

using ops::Int8Kind;

// [batch, 1, .., 1, channels] or [batch, channels].
bool is_one_pixel(const Shape& shape) {
  if (!shape.ranked() || shape.rank() < 2) return false;
  for (size_t axis = 1; axis + 1 < shape.rank(); ++axis) {
    if (shape[axis] != 1) return false;
  }
  return true;
}

bool has_positions(const Shape& shape) { return shape.ranked() && shape.rank() > 2 && !is_one_pixel(shape); }

// The factor that is broadcast over positions; kNone where the node is no such product.
ir::ValueId gate_of(const ir::Graph& graph, const ir::Node& node) {
  if (node.op != "Mul" || node.inputs.size() < 2) return ir::kNone;
  for (const int gate : {0, 1}) {
    const ir::Value& factor = graph.input_value(node, gate);
    const ir::Value& other = graph.input_value(node, 1 - gate);
    if (!is_float_activation(factor) || !is_float_activation(other)) continue;
    if (factor.shape.ranked() && factor.shape.rank() == other.shape.rank() && is_one_pixel(factor.shape) &&
        has_positions(other.shape)) {
      return node.inputs[static_cast<size_t>(gate)];
    }
  }
  return ir::kNone;
}

struct Branch {
  std::vector<ir::NodeId> nodes;
  bool averaged = false;  // it begins at an average over positions
};

// Back from `gate` over tensors of one pixel. The average itself may read INT8: its result is float where no reader
// takes INT8.
Branch branch_of(const ir::Graph& graph, ir::ValueId gate) {
  Branch branch;
  std::vector<ir::ValueId> pending = {gate};
  while (!pending.empty()) {
    const ir::NodeId producer = graph.value(pending.back()).producer;
    pending.pop_back();
    if (producer == ir::kNone) continue;
    const ir::Node& node = graph.node(producer);
    const Int8Kind kind = rule_of(node).kind;
    if (kind == Int8Kind::Average) {
      branch.averaged = true;
      continue;
    }
    if (std::find(branch.nodes.begin(), branch.nodes.end(), producer) != branch.nodes.end()) continue;
    branch.nodes.push_back(producer);
    for (const int index : data_inputs(graph, node)) {
      const ir::Value& input = graph.input_value(node, index);
      if (is_float_activation(input) && is_one_pixel(input.shape)) {
        pending.push_back(node.inputs[static_cast<size_t>(index)]);
      }
    }
  }
  return branch;
}

}  // namespace

std::vector<bool> find_gates(const ir::Graph& graph) {
  std::vector<bool> gates(static_cast<size_t>(graph.node_count()), false);
  for (const ir::NodeId id : graph.order()) {
    const ir::ValueId gate = gate_of(graph, graph.node(id));
    if (gate == ir::kNone) continue;
    const Branch branch = branch_of(graph, gate);
    if (!branch.averaged) continue;
    for (const ir::NodeId node : branch.nodes) gates[static_cast<size_t>(node)] = true;
  }
  return gates;
}

}  // namespace tfengine::quantize
