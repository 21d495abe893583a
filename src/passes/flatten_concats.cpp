// SPDX-License-Identifier: Apache-2.0
#include "passes/flatten_concats.h"

#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

std::optional<int64_t> axis_of(const Graph& graph, const Node& concat) {
  const auto axis = int_constant(graph, concat.inputs.back());
  const Shape& shape = graph.value(concat.outputs[0]).shape;
  if (!axis || axis->size() != 1 || !shape.ranked()) return std::nullopt;
  return (*axis)[0] < 0 ? (*axis)[0] + static_cast<int64_t>(shape.rank()) : (*axis)[0];
}

// TensorFlow 1's Concat has the axis first.
bool axis_last(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.op != "Concat" || node.inputs.size() < 2) return false;
  std::vector<ValueId> inputs(node.inputs.begin() + 1, node.inputs.end());
  inputs.push_back(node.inputs[0]);
  graph.set_inputs(id, std::move(inputs));
  graph.node(id).op = "ConcatV2";
  return true;
}

}  // namespace

int flatten_concats(Graph& graph, PassContext&) {
  int changed = 0;
  for (const NodeId id : graph.order()) {
    const Node& outer = graph.node(id);
    if (may_change(outer)) changed += axis_last(graph, id);
    if (!may_change(outer) || outer.op != "ConcatV2") continue;
    const auto axis = axis_of(graph, outer);
    if (!axis) continue;
    std::vector<ValueId> inputs;
    bool flattened = false;
    for (size_t i = 0; i + 1 < outer.inputs.size(); ++i) {
      const NodeId inner = sole_producer(graph, outer.inputs[i], "ConcatV2");
      if (inner == kNone || axis_of(graph, graph.node(inner)) != axis) {
        inputs.push_back(outer.inputs[i]);
        continue;
      }
      const std::vector<ValueId>& parts = graph.node(inner).inputs;
      inputs.insert(inputs.end(), parts.begin(), parts.end() - 1);
      flattened = true;
    }
    if (!flattened) continue;
    inputs.push_back(outer.inputs.back());
    graph.node(id).attrs.insert_or_assign("N", ir::Attr(static_cast<int64_t>(inputs.size()) - 1));
    graph.set_inputs(id, std::move(inputs));
    ++changed;
  }
  return changed;
}

}  // namespace tfengine::passes
