// SPDX-License-Identifier: Apache-2.0
#include "passes/lower_fused_nodes.h"

#include "ops/fused_nodes.h"
#include "passes/regions.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

int lower_fused_nodes(Graph& graph, PassContext&) {
  int lowered = 0;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!may_change(node) || !ops::is_fused_node(node) || !node.epilogue.empty()) continue;
    std::vector<Tensor> constants;
    for (const ValueId input : node.inputs) constants.push_back(graph.value(input).constant);
    Graph parts = ops::parts_of_fused(node, constants);
    for (const NodeId part : parts.order()) {
      const std::string name = graph.unique_name(parts.node(part).name);
      parts.node(part).name = parts.value(parts.output(part)).name = name;
    }
    const std::vector<ValueId> inputs = node.inputs;
    rewrite_node(graph, id, "Identity", inline_region(graph, parts, inputs));
    ++lowered;
  }
  return lowered;
}

}  // namespace tfengine::passes
