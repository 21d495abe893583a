// SPDX-License-Identifier: Apache-2.0
#include "quantize/bounds.h"

#include <algorithm>
#include <iterator>

#include "quantize/facts.h"

namespace tfengine::quantize {

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

struct Use {
  ir::NodeId node;
  int input;
};

// What reads a value: inputs of nodes, and results of the graph by their number.
struct Reads {
  std::vector<Use> uses;
  std::vector<size_t> results;
  size_t size() const { return uses.size() + results.size(); }
};

// Of `graph`, where the value is still read as it is in the float graph. Conversions that the rewrite has put behind it are
// none of these: they limit what they read.
Reads reads_as_is(const ir::Graph& source, const ir::Graph& graph, ir::ValueId value) {
  Reads reads;
  const std::vector<ir::NodeId>& users = graph.value(value).users;
  for (const ir::NodeId user : std::set<ir::NodeId>(users.begin(), users.end())) {
    if (user >= source.node_count()) continue;
    const std::vector<ir::ValueId>& inputs = graph.node(user).inputs;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] == value) reads.uses.push_back({user, static_cast<int>(i)});
    }
  }
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    if (graph.outputs[i].value == value) reads.results.push_back(i);
  }
  return reads;
}

bool rounded(const Decision& decision, ir::ValueId value, const Use& use) {
  return decision.stored(value) || decision.demands(use.node, use.input);
}

Reads unbounded(const Reads& all, ir::ValueId value, const Choice& whole, const Choice& made) {
  Reads reads;
  std::copy_if(all.uses.begin(), all.uses.end(), std::back_inserter(reads.uses), [&](const Use& use) {
    return rounded(whole.decision, value, use) && !rounded(made.decision, value, use);
  });
  if (whole.decision.stored(value) && !made.decision.stored(value)) reads.results = all.results;
  return reads;
}

struct Bounds {
  float low, high;
};

Bounds bounds_of(const Grid& grid) {
  const int least = grid.dtype == DType::U8 ? 0 : -128;
  return {grid.scale * static_cast<float>(least - grid.zero_point),
          grid.scale * static_cast<float>(least + 255 - grid.zero_point)};
}

// A producer that ends with a relu, or with bounds of its own, takes these in; false for others.
bool bound_producer(ir::Graph& graph, ir::ValueId value, const Bounds& bounds) {
  const ir::NodeId producer = graph.value(value).producer;
  if (producer == ir::kNone || graph.node(producer).outputs.size() != 1) return false;
  ir::Epilogue& fused = graph.node(producer).epilogue;
  const bool last = fused.after_add.kind == ActKind::None && fused.residual == ir::kNone;
  Act& act = last ? fused.before_add : fused.after_add;
  if (act.kind == ActKind::Relu) {
    act = {ActKind::Clip, std::max(bounds.low, 0.0f), bounds.high};
  } else if (act.kind == ActKind::Clip) {
    const float low = std::clamp(act.alpha, bounds.low, bounds.high);
    act = {ActKind::Clip, low, std::clamp(act.beta, low, bounds.high)};
  } else {
    return false;
  }
  return true;
}

ir::ValueId bounded_copy(ir::Graph& graph, ir::ValueId value, const Bounds& bounds) {
  const std::string name = graph.unique_name(graph.value(value).name + "/bounded");
  const ir::NodeId node = graph.add_node("Clip", name, {value}, {{"min", bounds.low}, {"max", bounds.high}});
  const ir::ValueId copy = graph.output(node);
  graph.value(copy).dtype = graph.value(value).dtype;
  graph.value(copy).shape = graph.value(value).shape;
  return copy;
}

}  // namespace

std::set<std::string> bound_given_ranges(const ir::Graph& source, const std::vector<std::optional<ir::Range>>& ranges,
                                         const Choice& whole, const Choice& made, ir::Graph& graph) {
  std::set<std::string> names;
  for (ir::ValueId id = 0; id < source.value_count(); ++id) {
    if (!is_custom(ranges[at(id)]) || whole.grids.of_value[at(id)].dtype == DType::Invalid) continue;
    const Reads all = reads_as_is(source, graph, id), reads = unbounded(all, id, whole, made);
    if (reads.size() == 0) continue;
    names.insert(source.value(id).name);
    const Bounds bounds = bounds_of(whole.grids.of_value[at(id)]);
    if (reads.size() == all.size() && bound_producer(graph, id, bounds)) continue;
    const ir::ValueId copy = bounded_copy(graph, id, bounds);
    for (const Use& use : reads.uses) graph.set_input(use.node, use.input, copy);
    for (const size_t result : reads.results) graph.outputs[result].value = copy;
  }
  return names;
}

}  // namespace tfengine::quantize
