// SPDX-License-Identifier: Apache-2.0
#include "quantize/grids.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "quantize/asymmetric.h"
#include "quantize/facts.h"

namespace tfengine::quantize {

namespace {

using ops::Int8Kind;
using Ranges = std::vector<std::optional<ir::Range>>;

// A member of a concat whose own range is this many times narrower than the common one loses two bits by sharing it:
// worth a requantization if it also feeds other INT8 nodes.
constexpr float kTooWide = 4.0f;
// Below this, the inverse would leave the range of normal floats.
constexpr float kLeastScale = 1e-30f;

size_t at(int32_t id) { return static_cast<size_t>(id); }

class Groups {
 public:
  explicit Groups(ir::ValueId count) : parent_(at(count)) { std::iota(parent_.begin(), parent_.end(), 0); }
  ir::ValueId find(ir::ValueId id) {
    while (parent_[at(id)] != id) id = parent_[at(id)] = parent_[at(parent_[at(id)])];
    return id;
  }
  void join(ir::ValueId a, ir::ValueId b) { parent_[at(find(a))] = find(b); }

 private:
  std::vector<ir::ValueId> parent_;
};

bool shares_grid(const ir::Node& node) {
  const Int8Kind kind = rule_of(node).kind;
  return kind == Int8Kind::Passes || kind == Int8Kind::Common;
}

struct Assigner {
  const ir::Graph& graph;
  const Decision& decision;
  const Ranges& ranges;
  const std::vector<bool>& non_negative;
  std::vector<ir::NodeId> sharing;  // INT8 nodes whose outputs have their inputs' grid
  std::set<std::pair<ir::NodeId, int>> cuts;

  bool has_form(ir::ValueId id) const { return decision.stored(id) || decision.needs_copy(id); }

  // A custom range behind data movement that could not be moved in front of it.
  void cut_custom() {
    for (const ir::NodeId id : sharing) {
      const ir::Node& node = graph.node(id);
      if (!is_custom(ranges[at(node.outputs[0])])) continue;
      for (const int index : data_inputs(graph, node)) {
        const std::optional<ir::Range>& in = ranges[at(node.inputs[at(index)])];
        if (in && ranges[at(node.outputs[0])]->max_abs != in->max_abs) cuts.insert({id, index});
      }
    }
    cut_parts();
  }

  // A custom range of a part of a tensor, which stands behind it (passes/quantization_nodes.cpp), where the parts' grid is
  // another one.
  void cut_parts() {
    for (const ir::NodeId id : sharing) {
      const ir::Node& node = graph.node(id);
      const ir::ValueId out = node.outputs[0];
      if (node.op != "Identity" || !graph.value(out).range || !is_custom(ranges[at(out)])) continue;
      Groups groups = build();
      const std::optional<ir::Range> common = group_ranges(groups)[at(groups.find(node.inputs[0]))];
      if (common && common->max_abs != ranges[at(out)]->max_abs) cuts.insert({id, 0});
    }
  }

  Groups build() const {
    Groups groups(graph.value_count());
    for (const ir::NodeId id : sharing) {
      const ir::Node& node = graph.node(id);
      for (const ir::ValueId out : node.outputs) groups.join(out, node.outputs[0]);
      for (const int index : data_inputs(graph, node)) {
        const ir::ValueId input = node.inputs[at(index)];
        if (has_form(input) && cuts.count({id, index}) == 0) groups.join(input, node.outputs[0]);
      }
    }
    return groups;
  }

  // Moved data bring no range of their own, unless all their sources were cut off.
  bool derived(ir::ValueId id) const {
    const ir::NodeId producer = graph.value(id).producer;
    if (producer == ir::kNone || !decision.int8(producer) || !shares_grid(graph.node(producer))) return false;
    const std::vector<int> inputs = data_inputs(graph, graph.node(producer));
    return std::any_of(inputs.begin(), inputs.end(), [&](int index) { return cuts.count({producer, index}) == 0; });
  }

  // By ValueId of the group's root: the widest range of its sources, from the least of their values to the largest.
  Ranges group_ranges(Groups& groups) const {
    Ranges widest(at(graph.value_count()));
    const auto widen = [&](ir::ValueId group, const std::optional<ir::Range>& range) {
      std::optional<ir::Range>& slot = widest[at(groups.find(group))];
      if (!range) return;
      const Interval own = interval_of(*range);
      const Interval both = slot ? Interval{std::min(own.low, slot->low), std::max(own.high, slot->high)} : own;
      if (!slot || range->max_abs > slot->max_abs) slot = range;
      slot->low = both.low;
      slot->high = both.high;
    };
    for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
      if (has_form(id) && !derived(id)) widen(id, ranges[at(id)]);
    }
    for (const ir::NodeId id : sharing) {
      const ir::ValueId out = graph.node(id).outputs[0];
      if (is_custom(ranges[at(out)])) continue;  // constants, too, are brought to a given grid
      for (const int index : data_inputs(graph, graph.node(id))) {
        const ir::ValueId input = graph.node(id).inputs[at(index)];
        if (graph.value(input).is_constant()) widen(out, ranges[at(input)]);
      }
    }
    return widest;
  }

  // INT8 nodes read the value that do not share its grid: those that only copy it elsewhere gain nothing from a finer one.
  bool has_other_readers(ir::ValueId id) const {
    for (const ir::NodeId user : graph.value(id).users) {
      const ir::Node& reader = graph.node(user);
      for (size_t i = 0; !shares_grid(reader) && i < reader.inputs.size(); ++i) {
        if (reader.inputs[i] == id && decision.accepts(user, static_cast<int>(i))) return true;
      }
    }
    return false;
  }

  void cut_narrow() {
    Groups groups = build();
    const Ranges widest = group_ranges(groups);
    for (const ir::NodeId id : sharing) {
      const ir::Node& node = graph.node(id);
      if (rule_of(node).kind != Int8Kind::Common) continue;
      const std::optional<ir::Range>& common = widest[at(groups.find(node.outputs[0]))];
      for (const int index : data_inputs(graph, node)) {
        const ir::ValueId input = node.inputs[at(index)];
        const std::optional<ir::Range>& own = ranges[at(input)];
        if (!common || !own || !decision.stored(input) || own->max_abs * kTooWide >= common->max_abs) continue;
        if (has_other_readers(input)) cuts.insert({id, index});
      }
    }
  }
};

// By ValueId of the group's root: every node that makes one of its values, or reads one in INT8, takes a zero point.
std::vector<bool> takes_zero_point(const Assigner& assigner, Groups& groups, const RewriteOptions& options) {
  const ir::Graph& graph = assigner.graph;
  const Decision& decision = assigner.decision;
  std::vector<bool> takes(at(graph.value_count()), true);
  const auto ask = [&](ir::ValueId id, const ir::Node& node, int input) {
    if (options.zero_point_ok && options.zero_point_ok(graph, node, input)) takes[at(groups.find(id))] = false;
  };
  for (const ir::NodeId id : graph.order()) {
    if (!decision.int8(id)) continue;
    const ir::Node& node = graph.node(id);
    for (const ir::ValueId out : node.outputs) {
      if (decision.stored(out)) ask(out, node, ir::kNone);
    }
    for (int i = 0; i < static_cast<int>(node.inputs.size()); ++i) {
      const ir::ValueId input = node.inputs[at(i)];
      if (assigner.has_form(input) && decision.accepts(id, i)) ask(input, node, i);
    }
  }
  return takes;
}

}  // namespace

Grid make_asymmetric_grid(const ir::Range& range) {
  Grid grid = make_grid(range, true);
  const Interval interval = interval_of(range);
  grid.scale = std::max(interval.width() / static_cast<float>(kUnsignedLevels), kLeastScale);
  grid.zero_point = std::clamp(static_cast<int>(std::nearbyint(-interval.low / grid.scale)), 0, kUnsignedLevels);
  return grid;
}

Grid make_grid(const ir::Range& range, bool unsigned_grid) {
  Grid grid;
  grid.dtype = unsigned_grid ? DType::U8 : DType::S8;
  grid.max_abs = range.max_abs;
  grid.source = range.source;
  grid.origin = range.origin;
  const auto levels = static_cast<float>(unsigned_grid ? kUnsignedLevels : kSignedLevels);
  grid.scale = std::max((range.max_abs > 0.0f ? range.max_abs : 1.0f) / levels, kLeastScale);
  return grid;
}

Grids assign_grids(const ir::Graph& graph, const Decision& decision, const Ranges& ranges,
                   const std::vector<bool>& non_negative, const RewriteOptions& options) {
  Assigner assigner{graph, decision, ranges, non_negative, {}, {}};
  for (const ir::NodeId id : graph.order()) {
    if (decision.int8(id) && shares_grid(graph.node(id))) assigner.sharing.push_back(id);
  }
  assigner.cut_custom();
  assigner.cut_narrow();
  Groups groups = assigner.build();
  const Ranges widest = assigner.group_ranges(groups);
  std::vector<bool> unsigned_group(at(graph.value_count()), options.grid == Int8Grid::Best);
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    if (assigner.has_form(id) && !non_negative[at(id)]) unsigned_group[at(groups.find(id))] = false;
  }
  std::vector<bool> asymmetric(at(graph.value_count()), false);
  if (options.asymmetric && options.grid == Int8Grid::Best) asymmetric = takes_zero_point(assigner, groups, options);
  Grids result;
  result.of_value.resize(at(graph.value_count()));
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    const ir::ValueId root = groups.find(id);
    if (!assigner.has_form(id) || !widest[at(root)]) continue;
    const ir::Range& range = *widest[at(root)];
    const bool zero_point = asymmetric[at(root)] && !unsigned_group[at(root)] && is_lopsided(range);
    result.of_value[at(id)] = zero_point ? make_asymmetric_grid(range) : make_grid(range, unsigned_group[at(root)]);
  }
  result.cuts = std::move(assigner.cuts);
  return result;
}

}  // namespace tfengine::quantize
