// SPDX-License-Identifier: Apache-2.0
#include "passes/eliminate_transposes.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "ops/op.h"
#include "passes/rewrite.h"
#include "passes/transposing.h"

namespace tfengine::passes {

namespace {

// Elements are the same in another order, so is their range.
void share_range(Graph& graph, ValueId from, ValueId to) {
  if (graph.value(from).range && !graph.value(to).range) graph.value(to).range = graph.value(from).range;
}

bool compose(Graph& graph, NodeId id, const Permutation& outer) {
  const ValueId middle = graph.node(id).inputs[0];
  const NodeId inner_id = producer_of(graph, middle, "Transpose");
  const auto inner = inner_id == kNone ? std::nullopt : permutation_of(graph, graph.node(inner_id));
  if (!inner) return false;
  Permutation both(outer.size());
  for (size_t i = 0; i < outer.size(); ++i) both[i] = (*inner)[static_cast<size_t>(outer[i])];
  const ValueId source = graph.node(inner_id).inputs[0];
  share_range(graph, middle, source);
  graph.set_inputs(id, {source, add_int_vector(graph, graph.node(id).name + "/perm", both)});
  return true;
}

// A transpose that only moves axes of one element is a reshape.
bool become_reshape(Graph& graph, NodeId id, const Permutation& permutation) {
  const Shape& in = graph.value(graph.node(id).inputs[0]).shape;
  const Shape& out = graph.value(graph.output(id)).shape;
  if (!in.ranked() || !out.ranked() || unknown_dims(out) > 1) return false;
  int64_t last = -1;
  for (const int64_t axis : permutation) {
    if (in[static_cast<size_t>(axis)] == 1) continue;
    if (axis < last) return false;
    last = axis;
  }
  const ValueId target = add_int_vector(graph, graph.node(id).name + "/shape", out.dims());
  rewrite_node(graph, id, "Reshape", {graph.node(id).inputs[0], target});
  return true;
}

bool simplify(Graph& graph, NodeId id) {
  auto permutation = permutation_of(graph, graph.node(id));
  if (!permutation) return false;
  bool changed = compose(graph, id, *permutation);
  if (changed) permutation = permutation_of(graph, graph.node(id));
  if (is_identity(*permutation)) return bypass(graph, id, graph.node(id).inputs[0]) || changed;
  return become_reshape(graph, id, *permutation) || changed;
}

// The common permutation of all inputs that are not constants, each of them a Transpose.
std::optional<Permutation> common_permutation(const Graph& graph, const Node& node) {
  std::optional<Permutation> common;
  for (const ValueId input : node.inputs) {
    if (graph.value(input).is_constant()) continue;
    const NodeId producer = producer_of(graph, input, "Transpose");
    const auto permutation = producer == kNone ? std::nullopt : permutation_of(graph, graph.node(producer));
    if (!permutation || (common && *common != *permutation)) return std::nullopt;
    common = permutation;
  }
  return common;
}

// transpose -> node becomes node -> transpose; the node's output value is then the transpose's.
void swap(Graph& graph, NodeId id, const Permutation& output_permutation) {
  for (size_t i = 0; i < graph.node(id).inputs.size(); ++i) {
    const ValueId input = graph.node(id).inputs[i];
    if (graph.value(input).is_constant()) continue;
    const ValueId source = graph.node(graph.value(input).producer).inputs[0];
    share_range(graph, input, source);
    graph.set_input(id, static_cast<int>(i), source);
  }
  if (is_identity(output_permutation)) return;
  const ValueId result = graph.output(id);
  const Shape shape = permuted(graph.value(result).shape, inverse(output_permutation));
  const ValueId between =
      graph.add_value(graph.unique_name(graph.node(id).name + "/untransposed"), graph.value(result).dtype, shape);
  share_range(graph, result, between);
  graph.value(result).producer = kNone;
  graph.node(id).outputs[0] = between;
  graph.value(between).producer = id;
  const ValueId perm = add_int_vector(graph, graph.node(id).name + "/perm", output_permutation);
  const NodeId transpose = graph.add_node("Transpose", graph.node(id).name + "/transpose", {between, perm}, {}, 0);
  graph.node(transpose).outputs.push_back(result);
  graph.value(result).producer = transpose;
}

bool sink(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (!may_change(node) || node.outputs.size() != 1 || node.inputs.empty() || node.op == "Transpose") return false;
  const auto permutation = common_permutation(graph, node);
  if (!permutation || !graph.value(node.outputs[0]).shape.ranked()) return false;
  const auto output_permutation = adapt_to_transposed(graph, id, *permutation);
  if (!output_permutation) return false;
  swap(graph, id, *output_permutation);
  return true;
}

}  // namespace

int eliminate_transposes(Graph& graph, PassContext&) {
  int changed = 0;
  // Each round moves transposes through the whole graph; a second one finds what the first brought together.
  for (int round = 0; round < 4; ++round) {
    int changed_now = 0;
    for (const NodeId id : graph.order()) {
      if (!may_change(graph.node(id))) continue;
      changed_now += graph.node(id).op == "Transpose" ? simplify(graph, id) : sink(graph, id);
    }
    changed_now += permute_flattened_weights(graph);
    changed += changed_now;
    graph.remove_dead();
    if (changed_now == 0) break;
  }
  return changed;
}

}  // namespace tfengine::passes
