// SPDX-License-Identifier: Apache-2.0
#include "passes/sink_reshapes.h"

#include <array>

#include "base/check.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// Index of the input that `user` treats per channel or per element, with all others constants that do not care for the
// axes in front of the last one; -1 if it is not such a node.
int movable_input(const Graph& graph, const Node& user, ValueId reshaped) {
  if (!may_change(user) || user.outputs.size() != 1 || !same_shape(graph, reshaped, user.outputs[0])) return -1;
  if (activation_of(graph, user)) return 0;
  if (user.op != "BiasAdd" && user.op != "Add" && user.op != "Mul") return -1;
  const auto sides = constant_operand(graph, user);
  if (!sides || sides->operand != reshaped) return -1;
  const size_t rank = graph.value(reshaped).shape.rank();
  if (!channel_constant(graph, sides->constant, last_dim(graph, reshaped), rank)) return -1;
  return sides->constant_first ? 1 : 0;
}

// [1,1,c] and [c] mean the same; only the latter fits a tensor of lower rank.
void flatten_constant(Graph& graph, NodeId user, int index) {
  const ir::Value& value = graph.input_value(graph.node(user), index);
  if (value.shape.rank() <= 1) return;
  const Shape flat = value.constant.elements() == 1 ? Shape{} : Shape{value.constant.elements()};
  const ValueId constant = graph.add_constant(graph.unique_name(value.name + "/flat"), value.constant.reshaped(flat));
  graph.set_input(user, index, constant);
}

// reshape -> user becomes user -> reshape; the user's output value is then the reshape's.
void swap(Graph& graph, NodeId reshape, NodeId user, int data_input) {
  const ValueId source = graph.node(reshape).inputs[0];
  const ValueId result = graph.output(user);
  const ValueId between = graph.add_value(graph.unique_name(graph.node(user).name + "/flat"), graph.value(source).dtype,
                                          graph.value(source).shape);
  if (graph.node(user).inputs.size() == 2) flatten_constant(graph, user, 1 - data_input);
  graph.set_input(user, data_input, source);
  graph.set_input(reshape, 0, between);
  graph.value(graph.output(reshape)).producer = kNone;
  graph.value(result).producer = kNone;
  graph.node(user).outputs[0] = between;
  graph.value(between).producer = user;
  graph.node(reshape).outputs[0] = result;
  graph.value(result).producer = reshape;
}

}  // namespace

int sink_reshapes(Graph& graph, PassContext&) {
  int moved = 0;
  for (const NodeId id : graph.order()) {
    const Node& reshape = graph.node(id);
    if (!may_change(reshape) || reshape.op != "Reshape" || !reshape.epilogue.empty()) continue;
    if (!graph.value(reshape.inputs[1]).is_constant() || sole_producer(graph, reshape.inputs[0], "MatMul") == kNone)
      continue;
    while (true) {
      const ValueId reshaped = graph.output(id);
      const NodeId user = graph.single_user(reshaped);
      const int64_t channels = last_dim(graph, reshaped);
      if (user == kNone || channels <= 0 || last_dim(graph, reshape.inputs[0]) != channels) break;
      const int data_input = movable_input(graph, graph.node(user), reshaped);
      if (data_input < 0) break;
      swap(graph, id, user, data_input);
      ++moved;
    }
  }
  return moved;
}

}  // namespace tfengine::passes
