// SPDX-License-Identifier: Apache-2.0
#include "passes/fold_constants.h"

#include <algorithm>
#include <limits>

#include "ops/op.h"
#include "passes/quantization_nodes.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// A folded result is stored in the engine file: one that is much larger than what it comes from (Fill, Tile) is not
// worth it.
constexpr size_t kMaxGrowthBytes = size_t{1} << 20;

bool all_inputs_constant(const Graph& graph, const Node& node) {
  return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
    return graph.value(input).is_constant() && !graph.value(input).quant.defined();
  });
}

bool outputs_known(const Node& node, const std::vector<Tensor>& known) {
  return std::all_of(node.outputs.begin(), node.outputs.end(),
                     [&](ValueId output) { return known[static_cast<size_t>(output)].defined(); });
}

// Decided before evaluating: a malformed or hostile graph may ask for a result that fills the memory.
bool worth_storing(const Graph& graph, const Node& node) {
  size_t in = 0;
  size_t out = 0;
  for (const ValueId input : node.inputs) in += graph.value(input).constant.bytes();
  for (const ValueId output : node.outputs) {
    const ir::Value& value = graph.value(output);
    if (!value.shape.is_static()) return false;
    const auto elements = static_cast<size_t>(value.shape.elements());
    if (elements > std::numeric_limits<uint32_t>::max()) return false;
    out += elements * dtype_bytes(value.dtype);
  }
  return out <= kMaxGrowthBytes || out <= in;
}

void become_constants(Graph& graph, NodeId id, const std::vector<Tensor>& results) {
  const std::vector<ValueId> outputs = graph.node(id).outputs;
  graph.remove(id);
  for (size_t i = 0; i < outputs.size(); ++i) {
    ir::Value& value = graph.value(outputs[i]);
    value.constant = results[i];
    value.dtype = results[i].dtype();
    value.shape = results[i].shape();
  }
}

std::vector<Tensor> constants_of(const Graph& graph, const Node& node) {
  std::vector<Tensor> inputs;
  for (const ValueId input : node.inputs) inputs.push_back(graph.value(input).constant);
  return inputs;
}

}  // namespace

int fold_constants(Graph& graph, PassContext&) {
  int folded = 0;
  std::vector<Tensor> known(static_cast<size_t>(graph.value_count()));
  ops::infer_graph(graph, {}, &known);
  known.resize(static_cast<size_t>(graph.value_count()));
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    const ops::Op* op = ops::find_op(node.op);
    if (!may_change(node) || op == nullptr || is_quantization_node(node) || node.outputs.empty()) continue;
    if (outputs_known(node, known)) {
      std::vector<Tensor> results;
      for (const ValueId output : node.outputs) results.push_back(known[static_cast<size_t>(output)]);
      become_constants(graph, id, results);
      ++folded;
    } else if (op->folds && op->evaluate != nullptr && !node.inputs.empty() && all_inputs_constant(graph, node) &&
               worth_storing(graph, node)) {
      const std::vector<Tensor> results = ops::evaluate_node(graph, node, constants_of(graph, node));
      become_constants(graph, id, results);
      ++folded;
    }
  }
  return folded;
}

}  // namespace tfengine::passes
