// SPDX-License-Identifier: Apache-2.0
#include "ops/fused_elementwise.h"

#include "ops/families.h"
#include "ops/infer_util.h"

namespace tfengine::ops {

namespace {

// Types of nodes with regions are inferred where the graph around them is (infer_graph.cpp).
std::vector<TypeInfo> infer_fused(const InferContext& context) {
  bad_node(context.node, "has no region: the nodes that it runs are missing");
}

std::vector<Tensor> evaluate_fused(const ir::Node& node, std::span<const Tensor> inputs) {
  check_fused(node);
  return evaluate_graph(node.regions[0], inputs);
}

}  // namespace

bool is_reduction(const std::string& op) {
  return op == "Sum" || op == "Mean" || op == "Max" || op == "Min" || op == "Prod";
}

ir::NodeId final_reduction(const ir::Graph& region) {
  if (region.outputs.size() != 1) return ir::kNone;
  const ir::NodeId last = region.value(region.outputs[0].value).producer;
  return last != ir::kNone && is_reduction(region.node(last).op) ? last : ir::kNone;
}

bool is_fused(const ir::Node& node) { return node.op == kFusedElementwise; }

void check_fused(const ir::Node& node) {
  if (node.regions.size() != 1) bad_node(node, "has {} regions, expected one", node.regions.size());
  if (!node.epilogue.empty()) bad_node(node, "has an epilogue, expected none: what is behind it stands in its region");
  const ir::Graph& region = node.regions[0];
  if (region.inputs.size() != node.inputs.size()) {
    bad_node(node, "its region takes {} inputs, expected {}", region.inputs.size(), node.inputs.size());
  }
  if (region.outputs.size() != node.outputs.size()) {
    bad_node(node, "its region has {} outputs, expected {}", region.outputs.size(), node.outputs.size());
  }
  for (const ir::NodeId id : region.order()) {
    const ir::Node& inner = region.node(id);
    const Op* op = find_op(inner.op);
    if (op == nullptr || !inner.regions.empty()) {
      bad_node(node, "runs {} '{}', expected elementwise ops", inner.op, inner.name);
    }
  }
}

std::vector<Op> fused_elementwise_ops() {
  return {{.name = kFusedElementwise,
           .infer = infer_fused,
           .evaluate = evaluate_fused,
           .int8 = {.data_inputs = {}},
           .folds = false}};
}

}  // namespace tfengine::ops
