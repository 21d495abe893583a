// SPDX-License-Identifier: Apache-2.0
#include "passes/specialize.h"

#include <algorithm>

#include "base/check.h"
#include "ops/fused_elementwise.h"
#include "ops/op.h"
#include "passes/regions.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// Nodes whose outputs are all known become constants.
void fold_known(Graph& graph, const std::vector<Tensor>& known) {
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    const Node& node = graph.node(id);
    if (!node.alive || node.outputs.empty()) continue;
    const bool all = std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId output) {
      return known[static_cast<size_t>(output)].defined() && !graph.value(output).quant.defined();
    });
    if (!all) continue;
    const std::vector<ValueId> outputs = node.outputs;
    graph.remove(id);
    for (const ValueId output : outputs) {
      ir::Value& value = graph.value(output);
      value.constant = known[static_cast<size_t>(output)];
      value.dtype = value.constant.dtype();
      value.shape = value.constant.shape();
    }
  }
}

// With static shapes more reshapes turn out to change nothing.
void remove_idle_reshapes(Graph& graph) {
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    const Node& node = graph.node(id);
    if (!may_change(node) || node.op != "Reshape" || !node.epilogue.empty()) continue;
    const ir::Value& in = graph.value(node.inputs[0]);
    const ir::Value& out = graph.value(node.outputs[0]);
    if (in.shape != out.shape || in.dtype != out.dtype || in.quant != out.quant || in.is_constant()) continue;
    bypass(graph, id, node.inputs[0]);
  }
}

void require_static(const Graph& graph) {
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    ops::require_op(node);  // of an unknown op no shape is known, whatever it depends on
    for (const Graph& region : node.regions) require_static(region);
    for (const ValueId output : node.outputs) {
      if (graph.value(output).shape.is_static() || graph.use_count(output) == 0) continue;
      fail<InvalidModel>("{} '{}' has shape {} that depends on data; expected one that follows from the inputs' shapes",
                         node.op, node.name, graph.value(output).shape.str());
    }
  }
}

void infer_and_fold(Graph& graph, std::span<const Shape> input_shapes) {
  std::vector<Tensor> known;
  ops::infer_graph(graph, input_shapes, &known);
  known.resize(static_cast<size_t>(graph.value_count()));
  fold_known(graph, known);
}

bool has_regions(const Graph& graph) {
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    if (graph.node(id).alive && !graph.node(id).regions.empty()) return true;
  }
  return false;
}

// What became constant goes on into the regions, and what comes out of them may be constant then.
void specialize_regions(Graph& graph) {
  if (!has_regions(graph)) return;
  PassContext unused;
  graph.remove_dead();
  if (simplify_regions(graph, unused) > 0) {
    graph.remove_dead();
    infer_and_fold(graph, {});
  }
  for (const NodeId id : graph.order()) {
    if (ops::is_fused(graph.node(id))) continue;
    for (Graph& region : graph.node(id).regions) {
      std::vector<Shape> shapes;
      for (const ValueId input : region.inputs) shapes.push_back(region.value(input).shape);
      region = specialize_where_possible(region, shapes);
    }
  }
}

}  // namespace

Graph specialize_where_possible(const Graph& graph, std::span<const Shape> input_shapes) {
  if (input_shapes.size() != graph.inputs.size()) {
    fail<InvalidArgument>("got {} input shapes, expected {}: one per input of '{}'", input_shapes.size(),
                          graph.inputs.size(), graph.name);
  }
  Graph result = graph.compacted();
  infer_and_fold(result, input_shapes);
  specialize_regions(result);
  remove_idle_reshapes(result);
  if (result.remove_dead() > 0) result = result.compacted();
  return result;
}

Graph specialize(const Graph& graph, std::span<const Shape> input_shapes) {
  Graph result = specialize_where_possible(graph, input_shapes);
  require_static(result);
  return result;
}

}  // namespace tfengine::passes
