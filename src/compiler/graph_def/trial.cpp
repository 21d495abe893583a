// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_def/trial.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/check.h"
#include "passes/pipeline.h"
#include "passes/specialize.h"
#include "passes/split_at_data.h"
#include "plan/planner.h"

namespace tfengine::graphdef {

namespace {

// Finds the segment's node that a node of the optimised graph, or a message, speaks of.
class Names {
 public:
  Names(const GraphView& view, const Segment& segment) : view_(view), segment_(segment) {
    for (const int id : segment.nodes) ids_.emplace(view.node(id).def->name, id);
  }

  // Passes name what they make after what it stands for: "conv/to_nhwc".
  std::optional<int> owner(std::string_view name) const {
    while (!name.empty()) {
      if (const auto found = ids_.find(name); found != ids_.end()) return found->second;
      const size_t slash = name.rfind('/');
      name = slash == std::string_view::npos ? std::string_view() : name.substr(0, slash);
    }
    return std::nullopt;
  }

  // All nodes of that op, or all there are, when the name tells nothing.
  std::vector<int> owners(std::string_view name, std::string_view op) const {
    if (const auto id = owner(name)) return {*id};
    std::vector<int> same;
    for (const int id : segment_.nodes) {
      if (view_.node(id).def->op == op) same.push_back(id);
    }
    return same.empty() ? segment_.nodes : same;
  }

  // The first node that the message quotes.
  std::vector<int> quoted(std::string_view message) const {
    for (size_t at = message.find('\''); at != std::string_view::npos;) {
      const size_t end = message.find('\'', at + 1);
      if (end == std::string_view::npos) break;
      if (const auto found = ids_.find(message.substr(at + 1, end - at - 1)); found != ids_.end()) {
        return {found->second};
      }
      at = message.find('\'', end + 1);
    }
    return segment_.nodes;
  }

 private:
  const GraphView& view_;
  const Segment& segment_;
  std::map<std::string_view, int> ids_;
};

std::vector<Offender> all(const std::vector<int>& nodes, const std::string& reason) {
  std::vector<Offender> offenders;
  for (const int id : nodes) offenders.push_back({id, reason});
  return offenders;
}

// Sizes for what samples leave open; the first that the segment's arithmetic accepts is taken.
constexpr std::pair<int64_t, int64_t> kSizes[] = {{1, 224}, {1, 64}, {1, 33}, {1, 1}};

std::optional<std::vector<Shape>> sample_shapes(const GraphTypes& types, const Segment& segment, const ir::Graph& graph,
                                                std::pair<int64_t, int64_t> sizes) {
  std::vector<Shape> shapes;
  for (size_t i = 0; i < segment.inputs.size(); ++i) {
    const TensorType type = types.type(segment.inputs[i]);
    Shape shape = graph.value(graph.inputs[i]).shape;
    if (!shape.ranked()) shape = type.sample;
    if (!shape.ranked()) return std::nullopt;
    for (size_t axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] < 0 && type.sample.ranked() && type.sample.rank() == shape.rank())
        shape[axis] = type.sample[axis];
      if (shape[axis] < 0) shape[axis] = axis == 0 ? sizes.first : sizes.second;
    }
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

std::optional<ir::Graph> specialized(const GraphTypes& types, const Segment& segment, const ir::Graph& graph,
                                     std::string& why) {
  for (const auto& sizes : kSizes) {
    const auto shapes = sample_shapes(types, segment, graph, sizes);
    if (!shapes) return std::nullopt;
    try {
      return passes::specialize_where_possible(graph, *shapes);
    } catch (const Error& error) {
      why = error.what();
    }
  }
  return std::nullopt;
}

// Libraries throw at sizes that nothing real has: for the graph that is one more step that does not run here.
std::optional<Refusal> refused_step(const plan::StepSpec& spec, const plan::Backend& backend) {
  try {
    auto answer = backend.tactics(spec);
    if (Refusal* refusal = std::get_if<Refusal>(&answer)) return std::move(*refusal);
    return std::nullopt;
  } catch (const InternalError&) {
    throw;
  } catch (const std::exception& error) {
    return Refusal{fmt::format("the backend cannot plan it: {}", error.what())};
  }
}

std::vector<Offender> refused_steps(const ir::Graph& graph, const Names& names, const plan::Backend& backend) {
  std::vector<Offender> offenders;
  const auto add = [&](const ir::Node& node, const std::string& reason) {
    for (const Offender& offender : all(names.owners(node.name, node.op), reason)) offenders.push_back(offender);
  };
  const std::vector<plan::TensorDesc> descs = plan::describe_values(graph);
  const auto is_static = [&](ir::ValueId id) { return graph.value(id).shape.is_static(); };
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    if (!std::all_of(node.inputs.begin(), node.inputs.end(), is_static)) continue;  // an earlier node is told
    if (passes::depends_on_data(graph, node)) {
      add(node, "the shape of its output depends on the values of its inputs, and engines are planned for shapes");
      continue;
    }
    if (const auto refusal = refused_step(plan::step_spec(graph, node, descs, 1), backend)) add(node, refusal->reason);
  }
  return offenders;
}

// Without shapes: by op alone.
std::vector<Offender> refused_ops(const ir::Graph& graph, const Names& names, const plan::Backend& backend) {
  std::vector<Offender> offenders;
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    if (const auto refusal = backend.refuses(graph, node)) {
      for (const Offender& offender : all(names.owners(node.name, node.op), refusal->reason))
        offenders.push_back(offender);
    }
  }
  return offenders;
}

}  // namespace

std::vector<Offender> try_segment(const GraphView& view, const GraphTypes& types, const Segment& segment,
                                  const plan::Backend& backend) {
  const Names names(view, segment);
  try {
    ir::Graph graph = import_segment(view, types, segment);
    passes::run_pipeline(graph);
    std::string why;
    const auto trial = specialized(types, segment, graph, why);
    return trial ? refused_steps(*trial, names, backend) : refused_ops(graph, names, backend);
  } catch (const InvalidModel& error) {
    return all(names.quoted(error.what()), error.what());
  } catch (const InvalidArgument& error) {
    return all(names.quoted(error.what()), error.what());
  }
}

}  // namespace tfengine::graphdef
