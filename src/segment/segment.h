// SPDX-License-Identifier: Apache-2.0
// Which nodes an engine's backend runs, and which are left to the reference backend, each with the reason. It decides
// only; what a backend can lower comes as a function, so that this folder knows none of them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/refusal.h"
#include "ir/graph.h"

namespace tfengine::segment {

// Why the backend cannot run a node; nothing if it can.
using CanLower = std::function<std::optional<Refusal>(const ir::Graph&, const ir::Node&)>;

struct RefusedNode {
  std::string node;
  std::string op;
  std::string reason;
  std::string remedy;  // what the user can do about it
};

struct SegmentReport {
  int segments = 0;  // stretches of nodes, in order of execution, between nodes that the backend does not run
  int nodes = 0;     // nodes in them
  int reference_nodes = 0;
  std::vector<RefusedNode> refusals;
};

struct Segmentation {
  // By NodeId: whether the backend runs the node. False for dead nodes.
  std::vector<bool> lowered;
  SegmentReport report;
};

// InvalidModel listing all ops that tfengine does not know, with nodes that use them and what to do.
Segmentation segment(const ir::Graph& graph, const CanLower& can_lower);
// Only that check: what `segment` and importers of whole graphs share.
void require_known_ops(const ir::Graph& graph);

// For people: one line per refusal under a line of totals.
std::string to_text(const SegmentReport& report);

}  // namespace tfengine::segment
