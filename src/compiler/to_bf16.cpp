// SPDX-License-Identifier: Apache-2.0
#include "compiler/to_bf16.h"

#include <algorithm>
#include <map>

#include "backends/onednn/cpu_features.h"
#include "base/check.h"

namespace tfengine::detail {

namespace {

bool is_float(const ir::Value& value) { return value.dtype == DType::F32 && !value.quant.defined(); }

// With constant float weights.
bool is_product(const ir::Graph& graph, const ir::Node& node) {
  return (node.op == "Conv2D" || node.op == "MatMul") && node.inputs.size() > 1 &&
         graph.input_value(node, 1).is_constant() && is_float(graph.input_value(node, 1));
}

bool can_be_bf16(const ir::Graph& graph, const ir::Node& node) {
  if (!is_product(graph, node) || node.denylisted) return false;
  const int residual = node.epilogue.residual;
  return is_float(graph.input_value(node, 0)) && is_float(graph.value(node.outputs[0])) &&
         (residual == ir::kNone || is_float(graph.input_value(node, residual)));
}

class Bf16Rewrite {
 public:
  Bf16Rewrite(ir::Graph graph, const std::set<std::string>& keep)
      : keep_(keep),
        graph_(std::move(graph)),
        chosen_(static_cast<size_t>(graph_.node_count()), false),
        narrow_output_(chosen_.size(), false) {
    for (const ir::NodeId id : graph_.order()) {
      const ir::Node& node = graph_.node(id);
      chosen_[at(id)] = can_be_bf16(graph_, node) && keep.count(node.name) == 0;
    }
  }

  ir::Graph run() {
    const std::vector<ir::NodeId> order = graph_.order();
    // Users first: a residual is narrow only where the sum is.
    for (auto id = order.rbegin(); id != order.rend(); ++id) {
      narrow_output_[at(*id)] = chosen_[at(*id)] && only_narrow_users(graph_.output(*id));
    }
    for (const ir::NodeId id : order) {
      if (chosen_[at(id)]) rewrite(id);
      for (ir::Graph& region : graph_.node(id).regions) region = Bf16Rewrite(std::move(region), keep_).run();
    }
    return graph_.compacted();
  }

 private:
  static size_t at(ir::NodeId id) { return static_cast<size_t>(id); }

  bool only_narrow_users(ir::ValueId id) const {
    const std::vector<ir::NodeId>& users = graph_.value(id).users;
    return !users.empty() && !graph_.is_output(id) && std::all_of(users.begin(), users.end(), [&](ir::NodeId user) {
      const ir::Node& node = graph_.node(user);
      if (!chosen_[at(user)]) return false;
      for (int input = 0; input < static_cast<int>(node.inputs.size()); ++input) {
        if (node.inputs[static_cast<size_t>(input)] == id && !reads_narrow(user, input)) return false;
      }
      return true;
    });
  }

  bool reads_narrow(ir::NodeId id, int input) const {
    return input == 0 || (input == graph_.node(id).epilogue.residual && narrow_output_[at(id)]);
  }

  void rewrite(ir::NodeId id) {
    graph_.set_input(id, 0, narrowed(graph_.node(id).inputs[0]));
    const int residual = graph_.node(id).epilogue.residual;
    if (residual != ir::kNone && narrow_output_[at(id)]) {
      graph_.set_input(id, residual, narrowed(graph_.node(id).inputs[static_cast<size_t>(residual)]));
    }
    if (narrow_output_[at(id)]) {
      graph_.value(graph_.output(id)).dtype = DType::BF16;
    } else {
      graph_.node(id).attrs["Tout"] = DType::F32;
    }
  }

  // The value in bfloat16: as its producer makes it, or a Cast, one per value.
  ir::ValueId narrowed(ir::ValueId id) {
    if (graph_.value(id).dtype == DType::BF16) return id;
    const auto found = casts_.find(id);
    if (found != casts_.end()) return found->second;
    const ir::NodeId cast = graph_.add_node("Cast", graph_.value(id).name + "/bf16", {id}, {{"DstT", DType::BF16}});
    const ir::ValueId result = graph_.output(cast);
    graph_.value(result).dtype = DType::BF16;
    graph_.value(result).shape = graph_.value(id).shape;
    return casts_[id] = result;
  }

  const std::set<std::string>& keep_;
  ir::Graph graph_;
  std::vector<bool> chosen_, narrow_output_;  // by node of the graph that was given
  std::map<ir::ValueId, ir::ValueId> casts_;
};

}  // namespace

std::set<std::string> bf16_nodes(const ir::Graph& graph) {
  std::set<std::string> names;
  ir::for_each_graph(graph, [&](const ir::Graph& part) {
    for (const ir::NodeId id : part.order()) {
      if (can_be_bf16(part, part.node(id))) names.insert(part.node(id).name);
    }
  });
  return names;
}

ir::Graph to_bf16(const ir::Graph& graph, const std::set<std::string>& keep) {
  if (!onednn::has_bf16()) {
    fail<InvalidArgument>("precision bf16: this CPU has no bfloat16 arithmetic; use fp32 or int8");
  }
  return Bf16Rewrite(graph, keep).run();
}

bool undo_bf16(ir::Graph& graph) {
  std::vector<ir::NodeId> ours;
  bool inside = false;
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    for (ir::Graph& region : graph.node(id).regions) inside = undo_bf16(region) || inside;
    // A model's own bfloat16 products have weights of that type.
    if (is_product(graph, node) && graph.input_value(node, 0).dtype == DType::BF16) ours.push_back(id);
  }
  const auto widen = [&](ir::NodeId id, int input) {
    const ir::Value& value = graph.value(graph.node(id).inputs[static_cast<size_t>(input)]);
    if (value.producer == ir::kNone || graph.node(value.producer).op != "Cast" || value.dtype != DType::BF16) return;
    graph.set_input(id, input, graph.node(value.producer).inputs[0]);
  };
  for (const ir::NodeId id : ours) {
    widen(id, 0);
    if (graph.node(id).epilogue.residual != ir::kNone) widen(id, graph.node(id).epilogue.residual);
    graph.node(id).attrs.erase("Tout");
    graph.value(graph.output(id)).dtype = DType::F32;
  }
  graph.remove_dead();
  graph = graph.compacted();
  return inside || !ours.empty();
}

}  // namespace tfengine::detail
