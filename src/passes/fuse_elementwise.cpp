// SPDX-License-Identifier: Apache-2.0
#include "passes/fuse_elementwise.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "ops/fused_elementwise.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// Bounds on a member list, so that whatever a backend keeps per value fits the first-level cache.
constexpr size_t kMaxNodes = 24;
constexpr size_t kMaxInputs = 16;
constexpr size_t kMaxConstants = 12;
constexpr size_t kMaxOutputs = 4;

size_t at(int32_t id) { return static_cast<size_t>(id); }

// Constants of one element go into the region, where what reads them knows them.
bool is_scalar_constant(const ir::Value& value) {
  return value.is_constant() && value.constant.elements() == 1 && !value.quant.defined();
}

class Fusion {
 public:
  Fusion(Graph& graph, const CanFuse& can_fuse)
      : graph_(graph),
        order_(graph.order()),
        position_(at(graph.node_count()), -1),
        group_(at(graph.node_count()), kNone),
        is_output_(at(graph.value_count()), false),
        fusible_(at(graph.node_count()), false),
        others_before_(order_.size() + 1, 0) {
    for (const ir::GraphOutput& out : graph.outputs) is_output_[at(out.value)] = true;
    for (size_t i = 0; i < order_.size(); ++i) {
      const Node& node = graph_.node(order_[i]);
      position_[at(order_[i])] = static_cast<int>(i);
      fusible_[at(order_[i])] = may_change(node) && node.outputs.size() == 1 && node.regions.empty() &&
                                value_of(order_[i]).shape.is_static() && value_of(order_[i]).shape.elements() > 0 &&
                                can_fuse(graph_, node);
      others_before_[i + 1] = others_before_[i] + (fusible_[at(order_[i])] ? 0 : 1);
    }
  }

  int run() {
    int made = 0;
    std::vector<std::vector<NodeId>> groups;
    for (auto last = order_.rbegin(); last != order_.rend(); ++last) {
      if (!fusible_[at(*last)] || group_[at(*last)] != kNone) continue;
      std::vector<NodeId> members = grow(*last);
      if (members.size() > 1) groups.push_back(std::move(members));
    }
    for (const std::vector<NodeId>& members : groups) {
      replace(members);
      ++made;
    }
    return made;
  }

 private:
  const ir::Value& value_of(NodeId id) const { return graph_.value(graph_.node(id).outputs[0]); }
  bool inside(NodeId id, NodeId last) const { return group_[at(id)] == last; }

  // What a group reads from outside: tensors, and constants of one element.
  struct Reads {
    std::set<ValueId> tensors, scalars;
  };

  // The members of the group that ends with `last`, in the graph's order. Producers join from the latest to the earliest, so
  // that all users of one have been asked before it.
  std::vector<NodeId> grow(NodeId last) {
    const Shape& shape = value_of(last).shape;
    std::vector<NodeId> members;
    std::set<int> candidates = {position_[at(last)]};
    Reads reads;
    size_t outputs = 0;
    while (!candidates.empty()) {
      const int latest = *candidates.rbegin();
      candidates.erase(latest);
      const NodeId id = order_[static_cast<size_t>(latest)];
      const bool needed = needed_outside(id, last);
      if (id != last && !may_join(id, last, shape, needed, outputs)) continue;
      Reads more = reads;
      add_reads(id, last, more);
      if (id != last &&
          (members.size() == kMaxNodes || more.tensors.size() > kMaxInputs || more.scalars.size() > kMaxConstants ||
           (waits(id) && held(more, shape.elements()) > held(reads, shape.elements())))) {
        continue;
      }
      reads = std::move(more);
      outputs += needed ? 1 : 0;
      group_[at(id)] = last;
      members.push_back(id);
      for (const ValueId input : graph_.node(id).inputs) {
        const NodeId producer = graph_.value(input).producer;
        if (producer != kNone && fusible_[at(producer)] && group_[at(producer)] == kNone)
          candidates.insert(position_[at(producer)]);
      }
    }
    if (members.size() == 1) group_[at(last)] = kNone;
    std::reverse(members.begin(), members.end());
    return members;
  }

  bool needed_outside(NodeId id, NodeId last) const {
    const ir::Value& made = value_of(id);
    return is_output_[at(graph_.node(id).outputs[0])] ||
           std::any_of(made.users.begin(), made.users.end(), [&](NodeId user) { return !inside(user, last); });
  }

  // Users outside of the group have to come behind it: then no path leads out of it and back, for positions grow along
  // every path.
  bool may_join(NodeId id, NodeId last, const Shape& shape, bool needed, size_t outputs) const {
    const ir::Value& made = value_of(id);
    if (group_[at(id)] != kNone || made.shape != shape) return false;
    if (needed && outputs == kMaxOutputs) return false;
    return std::all_of(made.users.begin(), made.users.end(),
                       [&](NodeId user) { return inside(user, last) || position_[at(user)] > position_[at(last)]; });
  }

  void add_reads(NodeId id, NodeId last, Reads& reads) const {
    reads.tensors.erase(graph_.node(id).outputs[0]);
    for (const ValueId input : graph_.node(id).inputs) {
      const ir::Value& value = graph_.value(input);
      if (is_scalar_constant(value))
        reads.scalars.insert(input);
      else if (value.producer == kNone || !inside(value.producer, last))
        reads.tensors.insert(input);
    }
  }

  // A member runs where the last one stood, and until then its inputs are held instead of its result: where other steps run
  // meanwhile, that must not be more tensors.
  bool waits(NodeId id) const {
    int first_user = static_cast<int>(order_.size());
    for (const NodeId user : value_of(id).users) first_user = std::min(first_user, position_[at(user)]);
    return first_user < static_cast<int>(order_.size()) &&
           others_before_[static_cast<size_t>(first_user)] != others_before_[static_cast<size_t>(position_[at(id)])];
  }
  size_t held(const Reads& reads, int64_t elements) const {
    return static_cast<size_t>(std::count_if(reads.tensors.begin(), reads.tensors.end(), [&](ValueId id) {
      const ir::Value& value = graph_.value(id);
      return !value.is_constant() && value.shape.elements() == elements;
    }));
  }

  // The members as a graph of their own, and what it reads and makes.
  struct Region {
    Graph graph;
    std::vector<ValueId> inputs, outputs;
  };

  Region region_of(const std::vector<NodeId>& members) const {
    Region region;
    const Node& last = graph_.node(members.back());
    region.graph.name = last.name;
    std::map<ValueId, ValueId> copies;
    const auto take = [&](ValueId id) {
      const auto [found, fresh] = copies.try_emplace(id, kNone);
      if (!fresh) return found->second;
      const ir::Value& value = graph_.value(id);
      if (is_scalar_constant(value)) return found->second = region.graph.add_constant(value.name, value.constant);
      found->second = region.graph.add_input(fmt::format("{}/fused_in{}", last.name, region.inputs.size()), value.dtype,
                                             value.shape);
      region.graph.value(found->second).quant = value.quant;
      region.inputs.push_back(id);
      return found->second;
    };
    for (const NodeId id : members) {
      const Node& node = graph_.node(id);
      std::vector<ValueId> inputs;
      for (const ValueId input : node.inputs) inputs.push_back(take(input));
      const NodeId copy = region.graph.add_node(node.op, node.name, std::move(inputs), node.attrs);
      region.graph.node(copy).epilogue = node.epilogue;
      const ValueId out = region.graph.output(copy);
      const ir::Value& made = value_of(id);
      ir::Value& inner = region.graph.value(out);
      inner.dtype = made.dtype;
      inner.shape = made.shape;
      inner.quant = made.quant;
      inner.name = made.name;
      copies[node.outputs[0]] = out;
      if (needed_outside(id, members.back())) {
        inner.name += "/fused";
        region.outputs.push_back(node.outputs[0]);
      }
    }
    // The last member's result first: it is what may lie in an operand's memory.
    std::reverse(region.outputs.begin(), region.outputs.end());
    for (const ValueId out : region.outputs) region.graph.outputs.push_back({graph_.value(out).name, copies.at(out)});
    return region;
  }

  // Graph input i that output i replaces in a loop's next iteration, if the group reads it.
  ValueId state_of(ValueId output) const {
    for (size_t i = 0; i < graph_.outputs.size() && i < graph_.inputs.size(); ++i) {
      if (graph_.outputs[i].value == output) return graph_.inputs[i];
    }
    return kNone;
  }

  // Puts inputs that are states before others, each at the index of the output that is its next value.
  void pair_states(Region& region) const {
    for (size_t i = 0; i < region.outputs.size() && i < region.inputs.size(); ++i) {
      const auto found = std::find(region.inputs.begin() + static_cast<std::ptrdiff_t>(i), region.inputs.end(),
                                   state_of(region.outputs[i]));
      if (found == region.inputs.end()) continue;
      std::swap(region.graph.inputs[i], region.graph.inputs[static_cast<size_t>(found - region.inputs.begin())]);
      std::swap(region.inputs[i], *found);
    }
  }

  void replace(const std::vector<NodeId>& members) {
    Region region = region_of(members);
    pair_states(region);
    const NodeId last = members.back();
    for (const NodeId id : members) {
      if (id != last) graph_.remove(id);
    }
    graph_.set_inputs(last, region.inputs);
    Node& node = graph_.node(last);
    node.op = ops::kFusedElementwise;
    node.attrs.clear();
    node.epilogue = {};
    node.regions.push_back(std::move(region.graph));
    node.outputs = region.outputs;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      graph_.value(node.outputs[i]).producer = last;
      graph_.value(node.outputs[i]).output_index = static_cast<int>(i);
    }
  }

  Graph& graph_;
  std::vector<NodeId> order_;
  std::vector<int> position_;    // by node, in order_
  std::vector<NodeId> group_;    // by node: the last member of its group
  std::vector<bool> is_output_;  // by value
  std::vector<bool> fusible_;    // by node
  std::vector<int> others_before_;
};

}  // namespace

int fuse_elementwise(Graph& graph, const CanFuse& can_fuse) {
  int made = 0;
  for (const NodeId id : graph.order()) {
    if (ops::is_fused(graph.node(id))) continue;
    for (Graph& region : graph.node(id).regions) made += fuse_elementwise(region, can_fuse);
  }
  const int own = Fusion(graph, can_fuse).run();
  if (own > 0) graph = graph.compacted();
  return made + own;
}

}  // namespace tfengine::passes
