// SPDX-License-Identifier: Apache-2.0
#include "passes/split_at_data.h"

#include <algorithm>
#include <map>

#include "ops/op.h"
#include "passes/rewrite.h"
#include "passes/specialize.h"

namespace tfengine::passes {

namespace {

using ops::Stages;

enum class Part : uint8_t { Front, Between, Rest };

class Splitter {
 public:
  explicit Splitter(Graph graph) : whole_(std::move(graph)) {}

  Stages run() {
    if (!assign()) return {std::move(whole_)};
    Stages stages;
    for (const ir::GraphOutput& out : whole_.outputs) {
      stages.outputs.push_back(add_output(out.name, out.value));
      stages.output_shapes.push_back(whole_.value(out.value).shape);
    }
    stages.between_inputs = connect(Part::Between, between_inputs_);
    stages.rest_inputs = connect(Part::Rest, rest_inputs_);
    stages.front = cut(Part::Front, whole_.inputs, std::move(front_outputs_));
    stages.between = cut(Part::Between, between_inputs_, std::move(between_outputs_));
    stages.rest = cut(Part::Rest, rest_inputs_, std::move(rest_outputs_));
    for (size_t i = 0; i < stages.rest_inputs.size(); ++i) {
      if (stages.rest_inputs[i].from != Stages::From::Between) rename(stages.rest, stages.rest.inputs[i]);
    }
    return stages;
  }

 private:
  // Gives every node its part; whether there is more than one.
  bool assign() {
    parts_.assign(static_cast<size_t>(whole_.node_count()), Part::Front);
    bool split = false;
    for (const NodeId id : whole_.order()) {
      const Node& node = whole_.node(id);
      Part& part = parts_[static_cast<size_t>(id)];
      if (std::any_of(node.inputs.begin(), node.inputs.end(),
                      [&](ValueId input) { return part_of(input) != Part::Front; })) {
        part = Part::Rest;
      } else if (depends_on_data(whole_, node)) {
        ops::require_op(node);  // of an unknown op no shape is known, whatever it depends on
        part = Part::Between;
        split = true;
      }
    }
    return split;
  }

  Part part_of(ValueId id) const {
    const NodeId producer = whole_.value(id).producer;
    return producer == kNone ? Part::Front : parts_[static_cast<size_t>(producer)];
  }

  // Each output of the whole graph is one of its part, even where another has the same value: callers own them.
  Stages::Source add_output(const std::string& name, ValueId id) {
    std::vector<ir::GraphOutput>& outputs = outputs_of(part_of(id));
    outputs.push_back({name, id});
    return source(part_of(id), outputs.size() - 1);
  }

  // What nodes of `part` read of others: `inputs` gets the values, each once.
  std::vector<Stages::Source> connect(Part part, std::vector<ValueId>& inputs) {
    std::vector<Stages::Source> sources;
    std::map<ValueId, bool> seen;
    for (const NodeId id : whole_.order()) {
      if (parts_[static_cast<size_t>(id)] != part) continue;
      for (const ValueId input : whole_.node(id).inputs) {
        const bool own = part_of(input) == part && whole_.value(input).producer != kNone;
        if (own || whole_.value(input).is_constant() || !seen.emplace(input, true).second) continue;
        inputs.push_back(input);
        sources.push_back(crossing(input));
      }
    }
    return sources;
  }

  Stages::Source crossing(ValueId id) {
    const auto input = std::find(whole_.inputs.begin(), whole_.inputs.end(), id);
    if (input != whole_.inputs.end()) {
      return {Stages::From::Input, static_cast<int>(input - whole_.inputs.begin())};
    }
    std::vector<ir::GraphOutput>& outputs = outputs_of(part_of(id));
    const auto known = std::find_if(outputs.begin(), outputs.end(), [&](const auto& out) { return out.value == id; });
    if (known != outputs.end()) return source(part_of(id), static_cast<size_t>(known - outputs.begin()));
    return add_output(whole_.value(id).name, id);
  }

  std::vector<ir::GraphOutput>& outputs_of(Part part) {
    return part == Part::Front ? front_outputs_ : part == Part::Between ? between_outputs_ : rest_outputs_;
  }
  static Stages::Source source(Part part, size_t index) {
    const Stages::From from = part == Part::Front     ? Stages::From::Front
                              : part == Part::Between ? Stages::From::Between
                                                      : Stages::From::Rest;
    return {from, static_cast<int>(index)};
  }

  // The nodes of one part, with these inputs and outputs.
  Graph cut(Part part, const std::vector<ValueId>& inputs, std::vector<ir::GraphOutput> outputs) const {
    Graph graph = whole_;
    for (NodeId id = 0; id < graph.node_count(); ++id) {
      if (parts_[static_cast<size_t>(id)] != part) graph.remove(id);
    }
    graph.inputs = inputs;
    graph.outputs = std::move(outputs);
    graph.remove_dead();
    return graph.compacted();
  }

  static void rename(Graph& graph, ValueId id) {
    graph.value(id).name = graph.unique_name(graph.value(id).name + "/passed");
  }

  Graph whole_;
  std::vector<Part> parts_;  // by NodeId
  std::vector<ValueId> between_inputs_, rest_inputs_;
  std::vector<ir::GraphOutput> front_outputs_, between_outputs_, rest_outputs_;
};

}  // namespace

bool depends_on_data(const Graph& graph, const Node& node) {
  const auto open = [&](ValueId out) { return !graph.value(out).shape.is_static(); };
  return std::any_of(node.outputs.begin(), node.outputs.end(), open) ||
         std::any_of(node.regions.begin(), node.regions.end(), [](const Graph& region) {
           const std::vector<NodeId> order = region.order();
           return std::any_of(order.begin(), order.end(),
                              [&](NodeId id) { return depends_on_data(region, region.node(id)); });
         });
}

Stages split_at_data(Graph graph) { return Splitter(std::move(graph)).run(); }

Stages specialize_in_stages(const Graph& graph, std::span<const Shape> input_shapes) {
  return split_at_data(specialize_where_possible(graph, input_shapes));
}

}  // namespace tfengine::passes
