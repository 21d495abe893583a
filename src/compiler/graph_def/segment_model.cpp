// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_def/segment_model.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "base/check.h"
#include "ops/op.h"
#include "tfgraph/dtype.h"
#include "tfgraph/import.h"
#include "tfgraph/write.h"

namespace tfengine::graphdef {

namespace {

// Constants that `nodes` need, and those that these are Identities of.
std::vector<int> constants_of(const GraphView& view, const std::vector<int>& nodes) {
  std::set<int> found;
  std::vector<int> stack = nodes;
  while (!stack.empty()) {
    const int id = stack.back();
    stack.pop_back();
    for (const TensorRef input : view.node(id).inputs) {
      if (view.node(input.node).constant && found.insert(input.node).second) stack.push_back(input.node);
    }
  }
  return {found.begin(), found.end()};
}

// A GraphDef made of parts of another, and the texts that are new in it.
class PartGraph {
 public:
  PartGraph(const GraphView& view, const GraphTypes& types, const Segment& segment)
      : view_(view), types_(types), segment_(segment) {}

  ir::Graph import() {
    graph_.producer_version = view_.graph().producer_version;
    for (size_t i = 0; i < segment_.inputs.size(); ++i) add_placeholder(i);
    for (const int id : segment_.constants) add_node(id);
    for (const int id : segment_.nodes) add_node(id);
    tfgraph::ImportOptions options;
    tfgraph::ImportJob job{graph_, std::move(inputs_), {}, false, nullptr, {}, options};
    for (size_t i = 0; i < segment_.outputs.size(); ++i) {
      job.outputs.push_back(
          {fmt::format("{}{}", kOutputPrefix, i), view_.tensor_name(segment_.outputs[i]), DType::Invalid, {}});
    }
    tfgraph::ConstantBudget budget;
    tfgraph::ImportReport report;
    ir::Graph graph = tfgraph::import_graph(job, budget, report);
    ops::infer_graph(graph);
    return graph;
  }

 private:
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  void add_placeholder(size_t i) {
    const TensorType type = types_.type(segment_.inputs[i]);
    const std::string_view name = keep(fmt::format("{}{}", kInputPrefix, i));
    tfgraph::NodeDef placeholder;
    placeholder.name = name;
    placeholder.op = "Placeholder";
    placeholder.attrs.push_back({"dtype", keep(tfgraph::type_attr(type.type))});
    graph_.nodes.push_back(std::move(placeholder));
    input_names_.emplace(segment_.inputs[i], name);
    inputs_.push_back({std::string(name), std::string(name), tfgraph::dtype_from_proto(type.type), type.shape});
  }

  void add_node(int id) {
    const ViewNode& node = view_.node(id);
    tfgraph::NodeDef def = *node.def;
    def.inputs.clear();
    for (const TensorRef input : node.inputs) {
      const auto outside = input_names_.find(input);
      def.inputs.push_back(outside != input_names_.end() ? outside->second : keep(view_.tensor_name(input)));
    }
    graph_.nodes.push_back(std::move(def));
  }

  const GraphView& view_;
  const GraphTypes& types_;
  const Segment& segment_;
  tfgraph::GraphDef graph_;
  std::deque<std::string> texts_;
  std::map<TensorRef, std::string_view> input_names_;
  std::vector<tfgraph::Endpoint> inputs_;
};

}  // namespace

Segment make_segment(const GraphView& view, std::vector<int> nodes) {
  Segment segment;
  segment.nodes = std::move(nodes);
  segment.constants = constants_of(view, segment.nodes);
  const std::set<int> inside(segment.nodes.begin(), segment.nodes.end());
  std::set<TensorRef> inputs, outputs;
  std::set<int> controls;
  const auto wait_for = [&](int id) {
    for (const int control : view.waits_for(id)) {
      if (inside.count(control) == 0) controls.insert(control);
    }
  };
  for (const int id : segment.nodes) {
    wait_for(id);
    for (const TensorRef input : view.node(id).inputs) {
      if (inside.count(input.node) > 0 || view.node(input.node).constant) continue;
      if (inputs.insert(input).second) segment.inputs.push_back(input);
    }
  }
  for (const int user : view.order()) {
    if (inside.count(user) > 0) continue;
    for (const TensorRef input : view.node(user).inputs) {
      if (inside.count(input.node) > 0) outputs.insert(input);
    }
  }
  for (const int id : segment.nodes) {
    if (view.node(id).is_output) outputs.insert({id, 0});
  }
  segment.outputs.assign(outputs.begin(), outputs.end());
  segment.controls.assign(controls.begin(), controls.end());
  return segment;
}

ir::Graph import_segment(const GraphView& view, const GraphTypes& types, const Segment& segment) {
  return PartGraph(view, types, segment).import();
}

}  // namespace tfengine::graphdef
