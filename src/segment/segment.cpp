// SPDX-License-Identifier: Apache-2.0
#include "segment/segment.h"

#include <map>

#include "base/check.h"
#include "ops/op.h"

namespace tfengine::segment {

namespace {

// So many node names per unknown op are enough to find it in the model.
constexpr size_t kMaxNames = 5;

std::optional<RefusedNode> refusal_of(const ir::Graph& graph, const ir::Node& node, const CanLower& can_lower) {
  if (!node.regions.empty()) return std::nullopt;  // what runs in them is what counts
  if (node.denylisted) {
    return RefusedNode{node.name, node.op, "it is on the list of nodes to keep out of the engine",
                       "take it off the nodes denylist to have it run by the backend"};
  }
  const auto refusal = can_lower(graph, node);
  if (!refusal) return std::nullopt;
  return RefusedNode{node.name, node.op, refusal->reason,
                     "nothing has to be done: the reference backend runs it, correctly but slowly"};
}

}  // namespace

void require_known_ops(const ir::Graph& graph) {
  std::map<std::string, std::vector<std::string>> unknown;
  ir::for_each_graph(graph, [&](const ir::Graph& part) {
    for (const ir::NodeId id : part.order()) {
      const ir::Node& node = part.node(id);
      if (ops::find_op(node.op) == nullptr) unknown[node.op].push_back(node.name);
    }
  });
  if (unknown.empty()) return;
  std::string list;
  for (const auto& [op, nodes] : unknown) {
    const size_t shown = std::min(nodes.size(), kMaxNames);
    list += fmt::format("\n  {} ({} node{}): '{}'", op, nodes.size(), nodes.size() == 1 ? "" : "s",
                        fmt::join(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(shown), "', '"));
    if (nodes.size() > shown) list += fmt::format(" and {} more", nodes.size() - shown);
  }
  fail<InvalidModel>(
      "the graph holds {} op{} that tfengine does not know:{}\n"
      "Export the model for inference without them, name outputs in front of them, or add the op "
      "(docs/adding_an_op.md)",
      unknown.size(), unknown.size() == 1 ? "" : "s", list);
}

namespace {

// Marks the graph's nodes and counts them with those of its regions.
void count_nodes(const ir::Graph& graph, const CanLower& can_lower, std::vector<bool>& lowered, SegmentReport& report) {
  lowered.assign(static_cast<size_t>(graph.node_count()), false);
  bool inside = false;
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    if (auto refused = refusal_of(graph, node, can_lower)) {
      report.refusals.push_back(std::move(*refused));
      ++report.reference_nodes;
      inside = false;
      continue;
    }
    lowered[static_cast<size_t>(id)] = true;
    if (node.regions.empty()) ++report.nodes;
    report.segments += inside || !node.regions.empty() ? 0 : 1;
    inside = node.regions.empty();
    std::vector<bool> unused;
    for (const ir::Graph& region : node.regions) count_nodes(region, can_lower, unused, report);
  }
}

}  // namespace

Segmentation segment(const ir::Graph& graph, const CanLower& can_lower) {
  require_known_ops(graph);
  Segmentation result;
  count_nodes(graph, can_lower, result.lowered, result.report);
  return result;
}

std::string to_text(const SegmentReport& report) {
  std::string text =
      fmt::format("{} of {} nodes run in {} segment{} of the backend\n", report.nodes,
                  report.nodes + report.reference_nodes, report.segments, report.segments == 1 ? "" : "s");
  for (const RefusedNode& refused : report.refusals) {
    text += fmt::format("  {} '{}': {}; {}\n", refused.op, refused.node, refused.reason, refused.remedy);
  }
  return text;
}

}  // namespace tfengine::segment
