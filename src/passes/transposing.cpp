// SPDX-License-Identifier: Apache-2.0
#include "passes/transposing.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "ops/op.h"

namespace tfengine::passes {

namespace {

bool keeps_last_axis(const Permutation& permutation) {
  return permutation.back() == static_cast<int64_t>(permutation.size()) - 1;
}

Tensor transposed(const Tensor& tensor, const Permutation& permutation) {
  Tensor result(tensor.dtype(), permuted(tensor.shape(), permutation));
  const size_t rank = permutation.size();
  std::vector<int64_t> in_strides(rank, 1);
  for (size_t i = rank; i-- > 1;) in_strides[i - 1] = in_strides[i] * tensor.shape()[i];
  std::vector<int64_t> index(rank, 0);
  const size_t bytes = dtype_bytes(tensor.dtype());
  const auto* from = static_cast<const std::byte*>(tensor.data());
  auto* to = static_cast<std::byte*>(result.mutable_data());
  for (int64_t count = 0; count < result.elements(); ++count, to += bytes) {
    int64_t offset = 0;
    for (size_t i = 0; i < rank; ++i) offset += index[i] * in_strides[static_cast<size_t>(permutation[i])];
    std::memcpy(to, from + offset * static_cast<int64_t>(bytes), bytes);
    for (size_t i = rank; i-- > 0;) {
      if (++index[i] < result.shape()[i]) break;
      index[i] = 0;
    }
  }
  return result;
}

bool adapt_elementwise(Graph& graph, NodeId id, const Permutation& permutation) {
  const size_t rank = permutation.size();
  const std::vector<ValueId> inputs = graph.node(id).inputs;
  for (const ValueId input : inputs) {
    if (!graph.value(input).shape.ranked() || graph.value(input).shape.rank() > rank) return false;
    if (!graph.value(input).is_constant() && graph.value(input).shape.rank() != rank) return false;
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ir::Value& value = graph.value(inputs[i]);
    if (!value.is_constant() || value.shape.rank() == 0) continue;
    Shape full = value.shape;
    full.dims().insert(full.dims().begin(), rank - full.rank(), 1);
    Tensor moved = transposed(value.constant.reshaped(full), inverse(permutation));
    const std::string name = graph.unique_name(value.name + "/transposed");
    graph.set_input(id, static_cast<int>(i), graph.add_constant(name, std::move(moved)));
  }
  return true;
}

std::optional<std::vector<int64_t>> axes_of(const Graph& graph, ValueId value, size_t rank) {
  auto axes = int_constant(graph, value);
  if (!axes) return std::nullopt;
  for (int64_t& axis : *axes) {
    if (axis < 0) axis += static_cast<int64_t>(rank);
    if (axis < 0 || axis >= static_cast<int64_t>(rank)) return std::nullopt;
  }
  return axes;
}

bool adapt_concat(Graph& graph, NodeId id, const Permutation& permutation) {
  const Node& node = graph.node(id);
  const auto axis = axes_of(graph, node.inputs.back(), permutation.size());
  if (!axis || axis->size() != 1) return false;
  for (size_t i = 0; i + 1 < node.inputs.size(); ++i) {
    if (graph.value(node.inputs[i]).is_constant()) return false;
  }
  const auto moved = static_cast<int32_t>(permutation[static_cast<size_t>((*axis)[0])]);
  const ValueId constant =
      graph.add_constant(graph.unique_name(node.name + "/axis"), Tensor::of<int32_t>(DType::S32, Shape{}, {moved}));
  graph.set_input(id, static_cast<int>(graph.node(id).inputs.size()) - 1, constant);
  return true;
}

bool adapt_pad(Graph& graph, NodeId id, const Permutation& permutation) {
  const auto pads = int_constant(graph, graph.node(id).inputs[1]);
  if (!pads || pads->size() != 2 * permutation.size()) return false;
  std::vector<int32_t> moved(pads->size());
  for (size_t i = 0; i < permutation.size(); ++i) {
    const auto axis = static_cast<size_t>(permutation[i]);
    moved[2 * axis] = static_cast<int32_t>((*pads)[2 * i]);
    moved[2 * axis + 1] = static_cast<int32_t>((*pads)[2 * i + 1]);
  }
  const Shape shape{static_cast<int64_t>(permutation.size()), 2};
  const std::string name = graph.unique_name(graph.node(id).name + "/paddings");
  graph.set_input(id, 1, graph.add_constant(name, Tensor::of<int32_t>(DType::S32, shape, moved)));
  return true;
}

std::optional<Permutation> adapt_reduction(Graph& graph, NodeId id, const Permutation& permutation) {
  const auto axes = axes_of(graph, graph.node(id).inputs[1], permutation.size());
  if (!axes) return std::nullopt;
  std::vector<int64_t> moved;
  for (const int64_t axis : *axes) moved.push_back(permutation[static_cast<size_t>(axis)]);
  std::sort(moved.begin(), moved.end());
  graph.set_input(id, 1, add_int_vector(graph, graph.node(id).name + "/axes", moved));
  if (graph.node(id).attr_or<bool>("keep_dims", false)) return permutation;
  Permutation remaining;
  for (const int64_t axis : permutation) {
    if (!std::binary_search(moved.begin(), moved.end(), axis)) remaining.push_back(axis);
  }
  Permutation sorted = remaining;
  std::sort(sorted.begin(), sorted.end());
  for (int64_t& axis : remaining) axis = std::lower_bound(sorted.begin(), sorted.end(), axis) - sorted.begin();
  return remaining;
}

}  // namespace

std::optional<Permutation> permutation_of(const Graph& graph, const Node& transpose) {
  auto permutation = int_constant(graph, transpose.inputs[1]);
  const Shape& shape = graph.value(transpose.inputs[0]).shape;
  if (!permutation || !shape.ranked() || shape.rank() != permutation->size()) return std::nullopt;
  return permutation;
}

Permutation inverse(const Permutation& permutation) {
  Permutation result(permutation.size());
  for (size_t i = 0; i < permutation.size(); ++i) result[static_cast<size_t>(permutation[i])] = static_cast<int64_t>(i);
  return result;
}

bool is_identity(const Permutation& permutation) {
  for (size_t i = 0; i < permutation.size(); ++i) {
    if (permutation[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

Shape permuted(const Shape& shape, const Permutation& permutation) {
  Shape result = shape;
  for (size_t i = 0; i < permutation.size(); ++i) result[i] = shape[static_cast<size_t>(permutation[i])];
  return result;
}

std::optional<Permutation> adapt_to_transposed(Graph& graph, NodeId id, const Permutation& permutation) {
  const Node& node = graph.node(id);
  const ops::Op* op = ops::find_op(node.op);
  if (op == nullptr || !node.epilogue.empty()) return std::nullopt;
  const std::string_view name = node.op;
  if (op->elementwise) return adapt_elementwise(graph, id, permutation) ? std::optional(permutation) : std::nullopt;
  if (name == "ConcatV2") return adapt_concat(graph, id, permutation) ? std::optional(permutation) : std::nullopt;
  if (name == "Pad" || name == "PadV2" || name == "MirrorPad") {
    return adapt_pad(graph, id, permutation) ? std::optional(permutation) : std::nullopt;
  }
  if (name == "Mean" || name == "Sum" || name == "Max" || name == "Min") return adapt_reduction(graph, id, permutation);
  const bool per_channel = name == "BiasAdd" || name == "BatchNormAffine" || name == "Softmax" || name == "LayerNorm";
  return per_channel && keeps_last_axis(permutation) ? std::optional(permutation) : std::nullopt;
}

int permute_flattened_weights(Graph& graph) {
  int changed = 0;
  for (const NodeId id : graph.order()) {
    const Node& matmul = graph.node(id);
    if (!may_change(matmul) || matmul.op != "MatMul" || matmul.attr_or<bool>("transpose_a", false)) continue;
    if (matmul.attr_or<bool>("transpose_b", false) || float_constant(graph, matmul.inputs[1]) == nullptr) continue;
    const NodeId reshape = sole_producer(graph, matmul.inputs[0], "Reshape");
    const NodeId transpose =
        reshape == kNone ? kNone : sole_producer(graph, graph.node(reshape).inputs[0], "Transpose");
    const auto permutation = transpose == kNone ? std::nullopt : permutation_of(graph, graph.node(transpose));
    if (!permutation || (*permutation)[0] != 0) continue;
    const Tensor& weights = graph.value(matmul.inputs[1]).constant;
    Shape features = graph.value(graph.output(transpose)).shape;
    features.dims().erase(features.dims().begin());
    if (!features.is_static() || features.elements() != weights.shape()[0]) continue;
    // As [features..., outputs], in the order of axes that the Transpose makes; moved back to the order before it.
    features.dims().push_back(weights.shape()[1]);
    Permutation back;
    for (const int64_t axis : inverse(*permutation)) {
      if (axis != 0) back.push_back(axis - 1);
    }
    back.push_back(static_cast<int64_t>(back.size()));
    const Tensor moved = transposed(weights.reshaped(features), back).reshaped(weights.shape());
    const std::string name = graph.unique_name(graph.value(matmul.inputs[1]).name + "/permuted");
    graph.set_input(id, 1, graph.add_constant(name, moved));
    graph.set_input(reshape, 0, graph.node(transpose).inputs[0]);
    ++changed;
  }
  return changed;
}

}  // namespace tfengine::passes
