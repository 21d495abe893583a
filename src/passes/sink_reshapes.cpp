// SPDX-License-Identifier: Apache-2.0
#include "passes/sink_reshapes.h"

#include <array>

#include "base/check.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// Whether the last axes of the value together are an axis of `channels`, and the constant has an element for each of it:
// heads by their width, for the projections of attention. What is in front of them may be ones.
bool covers_split_channels(const Graph& graph, ValueId reshaped, ValueId constant, int64_t channels) {
  const ir::Value& value = graph.value(constant);
  const Shape& shape = graph.value(reshaped).shape;
  if (value.dtype != DType::F32 || value.constant.elements() != channels || value.shape.rank() > shape.rank())
    return false;
  int64_t covered = 1;
  for (size_t back = 1; back <= value.shape.rank() && covered < channels; ++back) {
    const int64_t size = shape[shape.rank() - back];
    if (value.shape[value.shape.rank() - back] != size) return false;
    covered *= size;
  }
  return covered == channels;
}

// Index of the input that `user` treats per channel or per element, with all others constants that do not care for the
// axes in front of the channels; -1 if it is not such a node.
int movable_input(const Graph& graph, const Node& user, ValueId source, ValueId reshaped) {
  if (!may_change(user) || user.outputs.size() != 1 || !same_shape(graph, reshaped, user.outputs[0])) return -1;
  if (activation_of(graph, user)) return 0;
  if (user.op != "BiasAdd" && user.op != "Add" && user.op != "Mul") return -1;
  const auto sides = constant_operand(graph, user);
  if (!sides || sides->operand != reshaped) return -1;
  const size_t rank = graph.value(reshaped).shape.rank();
  const int64_t channels = last_dim(graph, source);
  const bool whole = last_dim(graph, reshaped) == channels;
  if (!(whole && channel_constant(graph, sides->constant, channels, rank)) &&
      !covers_split_channels(graph, reshaped, sides->constant, channels)) {
    return -1;
  }
  return sides->constant_first ? 1 : 0;
}

// [1,1,c] and [c] mean the same; only the latter fits a tensor of lower rank.
void flatten_constant(Graph& graph, NodeId user, int index) {
  const ir::Value& value = graph.input_value(graph.node(user), index);
  if (!value.is_constant() || value.shape.rank() <= 1) return;
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

// reshape(product) + other becomes reshape(product + flat other), where the product takes the other tensor as its residual.
bool sink_below_sum(Graph& graph, NodeId reshape, NodeId sum) {
  const Node& node = graph.node(sum);
  const ValueId source = graph.node(reshape).inputs[0];
  const ValueId reshaped = graph.output(reshape);
  if (!may_change(node) || node.op != "Add" || !node.epilogue.empty() || node.inputs[0] == node.inputs[1]) return false;
  const int data_input = node.inputs[0] == reshaped ? 0 : 1;
  const ValueId other = node.inputs[static_cast<size_t>(1 - data_input)];
  const Shape flat = graph.value(source).shape;  // a copy: values are added below
  if (graph.value(other).is_constant() || !is_float(graph, other) || unknown_dims(flat) > 1 ||
      graph.value(other).range || !same_shape(graph, reshaped, other) ||
      !same_shape(graph, reshaped, node.outputs[0])) {
    return false;
  }
  const NodesBeside beside(graph, sum);
  const ValueId rows = beside.add("Reshape", "rows", {other, beside.ints("rows_shape", flat.dims())});
  graph.value(rows).dtype = graph.value(other).dtype;
  graph.value(rows).shape = flat;
  graph.set_input(sum, 1 - data_input, rows);
  swap(graph, reshape, sum, data_input);
  return true;
}

// Whether a product makes the value, with a bias or a scale behind it that will be folded into it.
bool is_product(const Graph& graph, ValueId value) {
  const NodeId id = sole_producer(graph, value);
  if (id == kNone) return false;
  const Node& node = graph.node(id);
  if (node.op == "MatMul") return true;
  if (node.op != "BiasAdd" && node.op != "Add" && node.op != "Mul") return false;
  const auto sides = constant_operand(graph, node);
  return sides && same_shape(graph, sides->operand, value) && is_product(graph, sides->operand);
}

}  // namespace

int sink_reshapes(Graph& graph, PassContext&) {
  int moved = 0;
  for (const NodeId id : graph.order()) {
    const Node& reshape = graph.node(id);
    if (!may_change(reshape) || reshape.op != "Reshape" || !reshape.epilogue.empty()) continue;
    if (!graph.value(reshape.inputs[1]).is_constant() || !is_product(graph, reshape.inputs[0])) continue;
    while (true) {
      const ValueId reshaped = graph.output(id);
      const NodeId user = graph.single_user(reshaped);
      const ValueId source = graph.node(id).inputs[0];
      if (user == kNone || last_dim(graph, source) <= 0) break;
      const int data_input = movable_input(graph, graph.node(user), source, reshaped);
      if (data_input < 0) {
        moved += sink_below_sum(graph, id, user);
        break;
      }
      swap(graph, id, user, data_input);
      ++moved;
    }
  }
  return moved;
}

}  // namespace tfengine::passes
