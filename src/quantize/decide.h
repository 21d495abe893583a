// SPDX-License-Identifier: Apache-2.0
// Which nodes run in INT8 and which values are kept in it. Internal to the rewrite.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quantize/rewrite.h"

namespace tfengine::quantize {

struct NodeChoice {
  NodeReason reason = NodeReason::FloatOnlyOp;
  std::string text;
  bool int8() const { return reason == NodeReason::Int8; }
};

class Decision {
 public:
  Decision(const ir::Graph& graph, const std::vector<std::optional<ir::Range>>& ranges)
      : graph_(graph), ranges_(ranges) {}

  std::vector<NodeChoice> nodes;     // by NodeId
  std::vector<std::string> missing;  // tensors whose range was missed

  bool int8(ir::NodeId id) const { return id != ir::kNone && nodes[static_cast<size_t>(id)].int8(); }
  bool has_range(ir::ValueId id) const { return ranges_[static_cast<size_t>(id)].has_value(); }
  // Its producer can store it in INT8.
  bool producible(ir::ValueId id) const;
  // The user reads `id` in INT8 at that input, whoever produces it: such a use is worth a Quantize node.
  bool demands(ir::NodeId user, int input) const;
  // The user reads `id` in INT8 at that input if the value is stored so.
  bool accepts(ir::NodeId user, int input) const;
  // Some user accepts it.
  bool accepted(ir::ValueId id) const;
  // All users do, and the graph does not return it.
  bool accepted_by_all(ir::ValueId id) const;
  // What the rewrite does with the value: its producer stores it in INT8, or it is float and has an INT8 copy.
  bool stored(ir::ValueId id) const;
  bool needs_copy(ir::ValueId id) const;

 private:
  const ir::Graph& graph_;
  const std::vector<std::optional<ir::Range>>& ranges_;
};

// `ranges` and `graph` must outlive the result.
Decision decide(const ir::Graph& graph, const std::vector<std::optional<ir::Range>>& ranges,
                const RewriteOptions& options);

}  // namespace tfengine::quantize
