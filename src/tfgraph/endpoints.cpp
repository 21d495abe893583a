// SPDX-License-Identifier: Apache-2.0
// Where a GraphDef begins and ends when nobody says it.
#include <algorithm>
#include <array>
#include <unordered_set>

#include "tfgraph/dtype.h"
#include "tfgraph/graph_def.h"
#include "tfgraph/import.h"

namespace tfengine::tfgraph {

namespace {

// Nodes without users that are no result: they check, print, save, initialise, or hold what is not needed.
bool is_no_result(const NodeDef& node) {
  constexpr std::array<std::string_view, 15> kNone = {
      "Assert",   "Assign",  "AssignVariableOp", "Const",       "MergeSummary", "NoOp",       "Placeholder",
      "Print",    "PrintV2", "SaveV2",           "VarHandleOp", "Variable",     "VariableV2", "VarIsInitializedOp",
      "WriteFile"};
  return std::find(kNone.begin(), kNone.end(), node.op) != kNone.end() ||
         node.op.find("Summary") != std::string_view::npos;
}

// "^a", "a:1" -> "a"
std::string_view node_of(std::string_view input) {
  if (!input.empty() && input[0] == '^') input.remove_prefix(1);
  return input.substr(0, input.find(':'));
}

const NodeDef* find_placeholder(const GraphDef& graph, std::string_view tensor) {
  const std::string_view name = node_of(tensor);
  const auto found =
      std::find_if(graph.nodes.begin(), graph.nodes.end(), [name](const NodeDef& node) { return node.name == name; });
  if (found == graph.nodes.end() || found->op.substr(0, 11) != "Placeholder") return nullptr;
  return &*found;
}

}  // namespace

std::vector<Endpoint> placeholders(const GraphDef& graph) {
  std::vector<Endpoint> found;
  for (const NodeDef& node : graph.nodes) {
    if (node.op == "Placeholder" || node.op == "PlaceholderV2") {
      found.push_back({std::string(node.name), std::string(node.name), DType::Invalid, std::nullopt});
    }
  }
  return found;
}

std::vector<Endpoint> sinks(const GraphDef& graph) {
  std::unordered_set<std::string_view> used;
  for (const NodeDef& node : graph.nodes) {
    if (node.op == "NoOp") continue;  // groups what is to be run; it uses nothing
    for (const std::string_view input : node.inputs) used.insert(node_of(input));
  }
  std::vector<Endpoint> found;
  for (const NodeDef& node : graph.nodes) {
    if (used.count(node.name) > 0 || is_no_result(node)) continue;
    found.push_back({std::string(node.name), std::string(node.name), DType::Invalid, std::nullopt});
  }
  return found;
}

DType placeholder_dtype(const GraphDef& graph, std::string_view tensor) {
  const NodeDef* node = find_placeholder(graph, tensor);
  return node == nullptr ? DType::Invalid : dtype_from_proto(attr_type(*node, "dtype"));
}

std::optional<Shape> placeholder_shape(const GraphDef& graph, std::string_view tensor) {
  const NodeDef* node = find_placeholder(graph, tensor);
  if (node == nullptr) return std::nullopt;
  const auto message = attr_shape(*node, "shape");
  if (!message) return std::nullopt;
  Shape shape = read_shape(*message);
  // Before GraphDef version 24 the empty shape stood for an unknown one (array_ops.cc, Placeholder).
  if (shape.ranked() && shape.rank() == 0 && graph.producer_version < 24) return Shape::unknown_rank();
  return shape;
}

}  // namespace tfengine::tfgraph
