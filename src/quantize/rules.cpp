// SPDX-License-Identifier: Apache-2.0
#include "quantize/rules.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "quantize/facts.h"

namespace tfengine::quantize {

namespace {

using ops::Int8Kind;
using Ranges = std::vector<std::optional<ir::Range>>;

size_t at(ir::ValueId id) { return static_cast<size_t>(id); }

// Adds the values whose ranges give that of `start`: itself, or what data movement made it from.
void collect_sources(const ir::Graph& graph, ir::ValueId start, std::vector<bool>& visited,
                     std::vector<ir::ValueId>& sources) {
  std::vector<ir::ValueId> pending = {start};
  while (!pending.empty()) {
    const ir::ValueId id = pending.back();
    pending.pop_back();
    if (visited[at(id)] || !is_float_activation(graph.value(id))) continue;
    visited[at(id)] = true;
    const ir::NodeId producer = graph.value(id).producer;
    const Int8Kind kind = producer == ir::kNone ? Int8Kind::Float : rule_of(graph.node(producer)).kind;
    if ((kind == Int8Kind::Passes || kind == Int8Kind::Common) && graph.node(producer).epilogue.empty()) {
      for (const int index : data_inputs(graph, graph.node(producer))) {
        pending.push_back(graph.node(producer).inputs[static_cast<size_t>(index)]);
      }
    } else if (!is_custom(graph.value(id).range)) {
      sources.push_back(id);
    }
  }
}

std::optional<ir::Range> constant_range(const Tensor& tensor) {
  if (tensor.dtype() != DType::F32) return std::nullopt;
  float max_abs = 0.0f;
  const std::span<const float> values(tensor.as<float>(), static_cast<size_t>(tensor.elements()));
  for (const float value : values) {
    const float magnitude = std::abs(value);
    if (std::isfinite(magnitude)) max_abs = std::max(max_abs, magnitude);
  }
  return ir::Range{max_abs, ir::RangeSource::Rule, "constant"};
}

// Constants are read only where they join activations on one grid; weights have scales of their own.
bool joins_activations(const ir::Graph& graph, const ir::Value& constant) {
  return std::any_of(constant.users.begin(), constant.users.end(),
                     [&](ir::NodeId user) { return rule_of(graph.node(user)).kind == Int8Kind::Common; });
}

// The value's own range, before any rule about neighbours.
std::optional<ir::Range> own_range(const ir::Graph& graph, const ir::Value& value, const RangeTable& table,
                                   const std::optional<float>& bound) {
  if (value.is_constant()) {
    return joins_activations(graph, value) ? constant_range(value.constant) : std::nullopt;
  }
  std::optional<ir::Range> range = value.range;
  if (const RangeEntry* entry = table.find(value.name)) {
    if (!range || entry->source < range->source) {
      range = ir::Range{entry->max_abs, entry->source, entry->origin, entry->low, entry->high};
    }
  }
  if (!bound) return range;
  if (!range) return ir::Range{*bound, ir::RangeSource::Rule, "bounded by its op"};
  if (range->source != ir::RangeSource::Custom) range->max_abs = std::min(range->max_abs, *bound);
  return range;
}

// What an activation makes of values in [-range, range]; 0: nothing is known but by its op.
float through_activation(const Act& act, float range) {
  switch (act.kind) {
    case ActKind::Relu:
    case ActKind::Swish:
    case ActKind::HardSwish:
    case ActKind::GeluErf:
    case ActKind::GeluTanh:
      return range;
    case ActKind::Clip:
      return std::max(std::abs(ops::apply_activation(act, -range)), std::abs(ops::apply_activation(act, range)));
    case ActKind::LeakyRelu:
      return range * std::max(1.0f, std::abs(act.alpha));
    case ActKind::Elu:
      return std::max(range, std::abs(act.alpha));
    default:
      return 0.0f;
  }
}

// Clipping at r changes places with it: those that are 0 for negative arguments.
bool commutes_with_clipping(const Act& act) {
  return act.kind == ActKind::Relu || (act.kind == ActKind::Clip && act.alpha == 0.0f);
}

// The activation that the node is, if it is one and nothing is fused behind it.
std::optional<Act> lone_activation(const ir::Node& node) {
  return node.epilogue.empty() && node.inputs.size() == 1 ? ops::activation_of(node) : std::nullopt;
}

// Ranges of moved data apply to the data before the move where nothing else uses it (clipping and moving can change
// places), or where the move keeps every element.
void backward(const ir::Graph& graph, const ir::Node& node, Ranges& ranges) {
  const Int8Kind kind = rule_of(node).kind;
  const std::optional<Act> act = lone_activation(node);
  const bool moves = kind == Int8Kind::Passes || kind == Int8Kind::Common || (act && commutes_with_clipping(*act));
  if (!moves || !node.epilogue.empty() || node.outputs.empty()) return;
  const std::optional<ir::Range>& out = ranges[at(node.outputs[0])];
  // Parts of one tensor tell its range where they agree.
  const bool agree = std::all_of(node.outputs.begin(), node.outputs.end(), [&](ir::ValueId other) {
    return out && ranges[at(other)] && ranges[at(other)]->max_abs == out->max_abs;
  });
  for (const int index : data_inputs(graph, node)) {
    const ir::ValueId input = node.inputs[static_cast<size_t>(index)];
    if (!is_float_activation(graph.value(input)) || !agree) continue;
    std::optional<ir::Range>& in = ranges[at(input)];
    const bool applies = graph.use_count(input) == 1 || keeps_all_elements(node);
    if (applies && (in ? !act && is_custom(out) && !is_custom(in) : true)) in = out;
  }
}

// The widest of the data inputs' ranges, if all have one.
std::optional<ir::Range> widest_input(const ir::Graph& graph, const ir::Node& node, const Ranges& ranges) {
  std::optional<ir::Range> widest;
  for (const int index : data_inputs(graph, node)) {
    const std::optional<ir::Range>& range = ranges[at(node.inputs[static_cast<size_t>(index)])];
    if (!range) return std::nullopt;
    if (!widest || range->max_abs > widest->max_abs) widest = range;
  }
  return widest;
}

void forward_activation(const Act& act, const ir::Node& node, Ranges& ranges) {
  const std::optional<ir::Range>& in = ranges[at(node.inputs[0])];
  std::optional<ir::Range>& out = ranges[at(node.outputs[0])];
  const float bound = in ? through_activation(act, in->max_abs) : 0.0f;
  const bool narrows = out && out->source == ir::RangeSource::Rule && bound < out->max_abs;
  if (bound == 0.0f || (out && !narrows)) return;
  // Calibration looks at such tensors itself, so that this is for given ranges.
  out = ir::Range{bound, ir::RangeSource::Rule, in->origin};
}

void forward(const ir::Graph& graph, const ir::Node& node, Ranges& ranges) {
  const Int8Kind kind = rule_of(node).kind;
  if (!node.epilogue.empty()) return;
  if (const std::optional<Act> act = lone_activation(node)) return forward_activation(*act, node, ranges);
  const bool moves = kind == Int8Kind::Passes || kind == Int8Kind::Common;
  if (!moves && kind != Int8Kind::Average) return;
  std::optional<ir::Range> input = widest_input(graph, node, ranges);
  if (!input) return;
  if (kind == Int8Kind::Average) {
    input->source = ir::RangeSource::Rule;
    input->origin = "average of its input";
  }
  for (const ir::ValueId id : node.outputs) {
    if (!is_float_activation(graph.value(id))) continue;
    std::optional<ir::Range>& out = ranges[at(id)];
    if (!out || (moves && !is_custom(out))) out = input;
  }
}

}  // namespace

std::vector<ir::ValueId> tensors_to_observe(const ir::Graph& graph) {
  std::vector<bool> visited(at(graph.value_count()), false);
  std::vector<ir::ValueId> sources;
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    const Int8Kind kind = rule_of(node).kind;
    if (kind == Int8Kind::Float) continue;
    for (const int index : data_inputs(graph, node)) {
      collect_sources(graph, node.inputs[static_cast<size_t>(index)], visited, sources);
    }
    for (const ir::ValueId out : node.outputs) {
      // A result that only leaves the graph stays float.
      if (!graph.value(out).users.empty()) collect_sources(graph, out, visited, sources);
    }
  }
  std::sort(sources.begin(), sources.end());
  return sources;
}

std::set<std::string> seen_non_negative(const HistogramSet& set) {
  std::set<std::string> names;
  for (const auto& [name, histogram] : set.tensors) {
    if (histogram.moments().min >= 0.0f) names.insert(name);
  }
  return names;
}

std::set<std::string> non_negative_names(const ir::Graph& graph, const std::set<std::string>& inputs) {
  std::set<std::string> names;
  ir::for_each_graph(graph, [&](const ir::Graph& part) {
    const std::vector<bool> known = find_non_negative(part, inputs);
    for (ir::ValueId id = 0; id < part.value_count(); ++id) {
      if (known[at(id)]) names.insert(part.value(id).name);
    }
  });
  return names;
}

std::vector<std::string> names_in(const ir::Graph& graph, std::vector<ir::ValueId> (*choose)(const ir::Graph&)) {
  std::vector<std::string> names;
  ir::for_each_graph(graph, [&](const ir::Graph& part) {
    for (const ir::ValueId id : choose(part)) names.push_back(part.value(id).name);
  });
  return names;
}

std::vector<std::optional<ir::Range>> resolve_ranges(const ir::Graph& graph, const RangeTable& table) {
  const std::vector<std::optional<float>> bounds = find_bounds(graph);
  Ranges ranges(at(graph.value_count()));
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    const ir::Value& value = graph.value(id);
    if (value.dtype == DType::F32) ranges[at(id)] = own_range(graph, value, table, bounds[at(id)]);
  }
  const std::vector<ir::NodeId> order = graph.order();
  // The second round carries what the first one found around joins.
  for (int round = 0; round < 2; ++round) {
    for (auto id = order.rbegin(); id != order.rend(); ++id) backward(graph, graph.node(*id), ranges);
    for (const ir::NodeId id : order) forward(graph, graph.node(id), ranges);
  }
  return ranges;
}

}  // namespace tfengine::quantize
