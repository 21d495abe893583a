// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse_epilogues.h"

#include <algorithm>
#include <array>

#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

template <size_t N>
bool is_one_of(const std::array<std::string_view, N>& ops, std::string_view op) {
  return std::find(ops.begin(), ops.end(), op) != ops.end();
}

// Take bias, activation and residual.
constexpr std::array<std::string_view, 3> kFull = {"Conv2D", "DepthwiseConv2dNative", "MatMul"};
// Take an activation behind them.
constexpr std::array<std::string_view, 4> kActivationOnly = {"Add", "Sub", "Mul", "BatchNormAffine"};

bool has_activation(const Act& act) { return act.kind != ActKind::None; }

// The node behind `value` if it can end in an activation and nothing else uses its result.
NodeId activation_taker(const Graph& graph, ValueId value) {
  const NodeId id = sole_producer(graph, value);
  if (id == kNone || has_activation(graph.node(id).epilogue.after_add)) return kNone;
  const std::string& op = graph.node(id).op;
  return is_one_of(kFull, op) || is_one_of(kActivationOnly, op) ? id : kNone;
}

bool fuse_activation(Graph& graph, NodeId id, const Act& act) {
  const NodeId producer = activation_taker(graph, graph.node(id).inputs[0]);
  if (producer == kNone) return false;
  graph.node(producer).epilogue.after_add = act;
  absorb(graph, producer, id);
  return true;
}

// Input `index` of `concat` becomes a new tensor: its activated form.
void activate_part(Graph& graph, NodeId concat, int index, NodeId activation, const Act& act) {
  const ValueId part = graph.node(concat).inputs[static_cast<size_t>(index)];
  const ir::Value& old = graph.value(part);
  const std::string name = graph.unique_name(old.name + "/activated");
  const DType dtype = old.dtype;
  const Shape shape = old.shape;
  if (const NodeId taker = activation_taker(graph, part); taker != kNone) {
    const ValueId fresh = graph.add_value(name, dtype, shape);
    graph.set_input(concat, index, fresh);
    graph.set_output(taker, 0, fresh);
    graph.node(taker).epilogue.after_add = act;
    return;
  }
  const NodeId own = graph.add_node(graph.node(activation).op, name, {part}, graph.node(activation).attrs);
  graph.value(graph.output(own)).dtype = dtype;
  graph.value(graph.output(own)).shape = shape;
  graph.set_input(concat, index, graph.output(own));
}

// An activation of a concatenation is the concatenation of activations: free where it fuses into the parts.
bool fuse_activation_through_concat(Graph& graph, NodeId id, const Act& act) {
  const NodeId concat = sole_producer(graph, graph.node(id).inputs[0], "ConcatV2");
  if (concat == kNone || !graph.node(concat).epilogue.empty()) return false;
  const std::vector<ValueId> inputs = graph.node(concat).inputs;
  const auto parts = static_cast<std::ptrdiff_t>(inputs.size()) - 1;
  const auto takes = [&](ValueId input) { return activation_taker(graph, input) != kNone; };
  // What does not fuse gets a node of its own; with half of the parts free it is worth it.
  if (2 * std::count_if(inputs.begin(), inputs.begin() + parts, takes) < parts) return false;
  for (int i = 0; i < parts; ++i) activate_part(graph, concat, i, id, act);
  absorb(graph, concat, id);
  return true;
}

// The node behind `value` if it can add `other` to its result. Its only user is the addition itself, so `other` cannot
// depend on it, and no cycle comes of it.
NodeId residual_taker(const Graph& graph, ValueId value, ValueId other) {
  const NodeId id = sole_producer(graph, value);
  if (id == kNone || !is_one_of(kFull, graph.node(id).op)) return kNone;
  if (graph.node(id).epilogue.residual != kNone) return kNone;
  // A constant operand is a bias, or small enough to broadcast.
  if (graph.value(other).is_constant() || !same_shape(graph, value, other)) return kNone;
  return is_float(graph, value) && is_float(graph, other) ? id : kNone;
}

bool fuse_residual(Graph& graph, NodeId id, const std::vector<int>& position) {
  const Node& add = graph.node(id);
  if (add.op != "Add" || add.inputs.size() != 2 || !add.epilogue.empty() || add.inputs[0] == add.inputs[1])
    return false;
  const NodeId first = residual_taker(graph, add.inputs[0], add.inputs[1]);
  const NodeId second = residual_taker(graph, add.inputs[1], add.inputs[0]);
  if (first == kNone && second == kNone) return false;
  // Of two candidates the later one: it runs when the other operand has been computed anyway.
  const auto rank = [&](NodeId node) { return node == kNone ? -1 : position[static_cast<size_t>(node)]; };
  const bool take_first = rank(first) > rank(second);
  const NodeId taker = take_first ? first : second;
  const ValueId other = add.inputs[take_first ? 1 : 0];
  absorb(graph, taker, id);
  const int index = graph.add_node_input(taker, other);
  ir::Epilogue& epilogue = graph.node(taker).epilogue;
  epilogue.residual = index;
  // What was the last activation now comes before the addition.
  epilogue.before_add = epilogue.after_add;
  epilogue.after_add = {};
  return true;
}

}  // namespace

int fuse_epilogues(Graph& graph, PassContext&) {
  int fused = 0;
  const std::vector<NodeId> order = graph.order();
  std::vector<int> position(static_cast<size_t>(graph.node_count()), 0);
  for (size_t i = 0; i < order.size(); ++i) position[static_cast<size_t>(order[i])] = static_cast<int>(i);
  for (const NodeId id : order) {
    const Node& node = graph.node(id);
    if (!may_change(node) || node.outputs.size() != 1) continue;
    if (const auto act = activation_of(graph, node)) {
      fused += fuse_activation(graph, id, *act) || fuse_activation_through_concat(graph, id, *act);
    } else {
      fused += fuse_residual(graph, id, position);
    }
  }
  return fused;
}

}  // namespace tfengine::passes
