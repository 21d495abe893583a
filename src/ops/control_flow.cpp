// SPDX-License-Identifier: Apache-2.0
#include "ops/control_flow.h"

#include "ops/families.h"
#include "ops/fused_elementwise.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

bool is_loop(const ir::Node& node) { return node.op == "While"; }
bool is_branch(const ir::Node& node) { return node.op == "If" || node.op == "Case"; }
int first_argument(const ir::Node& node) { return is_branch(node) ? 1 : 0; }

namespace {

void check_region(const ir::Node& node, size_t index, size_t outputs) {
  const ir::Graph& region = node.regions[index];
  const size_t passed = node.inputs.size() - static_cast<size_t>(first_argument(node));
  if (region.inputs.size() != passed) {
    bad_node(node, "its region '{}' takes {} inputs, expected {}", region.name, region.inputs.size(), passed);
  }
  if (region.outputs.size() != outputs) {
    bad_node(node, "its region '{}' has {} outputs, expected {}", region.name, region.outputs.size(), outputs);
  }
}

}  // namespace

void check_regions(const ir::Node& node) {
  if (is_fused(node)) return check_fused(node);
  if (is_loop(node)) {
    if (node.regions.size() != 2)
      bad_node(node, "has {} regions, expected a condition and a body", node.regions.size());
    if (node.inputs.size() < node.outputs.size()) {
      bad_node(node, "has {} inputs for {} states", node.inputs.size(), node.outputs.size());
    }
    check_region(node, 0, 1);
    return check_region(node, 1, node.outputs.size());
  }
  if (!is_branch(node)) bad_node(node, "has regions, which only While, If, Case and FusedElementwise have");
  if (node.inputs.empty()) bad_node(node, "has no inputs, expected what chooses the branch");
  if (node.regions.empty() || (node.op == "If" && node.regions.size() != 2)) {
    bad_node(node, "has {} branches, expected {}", node.regions.size(), node.op == "If" ? "2" : "one or more");
  }
  for (size_t i = 0; i < node.regions.size(); ++i) check_region(node, i, node.outputs.size());
}

bool is_true(const ir::Node& node, const Tensor& element) {
  if (element.elements() != 1) {
    bad_node(node, "its condition has shape {}, expected one element", element.shape().str());
  }
  return *cast_tensor(element, DType::Bool).as<bool>();
}

size_t chosen_region(const ir::Node& node, const Tensor& selector) {
  if (node.op == "If") return is_true(node, selector) ? 0 : 1;
  if (selector.elements() != 1) bad_node(node, "its index has shape {}, expected a scalar", selector.shape().str());
  const int64_t index = as_ints(selector)[0];
  const auto count = static_cast<int64_t>(node.regions.size());
  return static_cast<size_t>(index >= 0 && index < count ? index : count - 1);
}

namespace {

// Types of nodes with regions are inferred where the graph around them is (infer_graph.cpp).
std::vector<TypeInfo> infer_regions(const InferContext& context) {
  bad_node(context.node, "has no regions: the graphs that it runs are missing");
}

// Regions whose inputs take any shape: declared ones are those of a plan, or of lists before their first element.
std::vector<ir::Graph> open_regions(const ir::Node& node) {
  check_regions(node);
  std::vector<ir::Graph> regions = node.regions;
  for (ir::Graph& region : regions) {
    for (const ir::ValueId id : region.inputs) region.value(id).shape = Shape::unknown_rank();
  }
  return regions;
}

std::vector<Tensor> evaluate_while(const ir::Node& node, std::span<const Tensor> inputs) {
  const std::vector<ir::Graph> regions = open_regions(node);
  std::vector<Tensor> values(inputs.begin(), inputs.end());
  while (is_true(node, evaluate_graph(regions[0], values)[0])) {
    const std::vector<Tensor> next = evaluate_graph(regions[1], values);
    std::copy(next.begin(), next.end(), values.begin());
  }
  values.resize(node.outputs.size());
  return values;
}

std::vector<Tensor> evaluate_branch(const ir::Node& node, std::span<const Tensor> inputs) {
  const std::vector<ir::Graph> regions = open_regions(node);
  return evaluate_graph(regions[chosen_region(node, inputs[0])], inputs.subspan(1));
}

}  // namespace

std::vector<Op> control_flow_ops() {
  return {
      {.name = "While", .infer = infer_regions, .evaluate = evaluate_while, .folds = false},
      {.name = "If", .infer = infer_regions, .evaluate = evaluate_branch, .folds = false},
      {.name = "Case", .infer = infer_regions, .evaluate = evaluate_branch, .folds = false},
  };
}

}  // namespace tfengine::ops
