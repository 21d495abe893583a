// SPDX-License-Identifier: Apache-2.0
#include "passes/regions.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "ops/control_flow.h"
#include "ops/fused_elementwise.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

// The argument that output `index` of a region is, or -1.
int passed_argument(const Graph& region, size_t index) {
  const auto found = std::find(region.inputs.begin(), region.inputs.end(), region.outputs[index].value);
  return found == region.inputs.end() ? -1 : static_cast<int>(found - region.inputs.begin());
}

// Which arguments each output of a region depends on.
std::vector<std::set<size_t>> dependences(const Graph& region) {
  std::vector<std::set<size_t>> of_value(at(region.value_count()));
  for (size_t i = 0; i < region.inputs.size(); ++i) of_value[at(region.inputs[i])].insert(i);
  for (const NodeId id : region.order()) {
    std::set<size_t> all;
    for (const ValueId input : region.node(id).inputs)
      all.insert(of_value[at(input)].begin(), of_value[at(input)].end());
    for (const ValueId output : region.node(id).outputs) of_value[at(output)] = all;
  }
  std::vector<std::set<size_t>> result;
  for (const ir::GraphOutput& out : region.outputs) result.push_back(of_value[at(out.value)]);
  return result;
}

// A node with regions, seen as what it passes; indices are those of the regions' inputs.
class RegionNode {
 public:
  RegionNode(Graph& graph, NodeId id)
      : graph_(graph), id_(id), first_(static_cast<size_t>(ops::first_argument(graph.node(id)))) {}

  int simplify() {
    ops::check_regions(node());
    int changes = ops::is_loop(node()) ? drop_states() + fix_states() : drop_results();
    changes += sink_constants();
    for (Graph& region : node().regions) region.remove_dead();
    return changes + drop_unused_arguments();
  }

 private:
  Node& node() { return graph_.node(id_); }
  size_t arguments() { return node().inputs.size() - first_; }

  void erase_argument(size_t index) {
    std::vector<ValueId> inputs = node().inputs;
    inputs.erase(inputs.begin() + static_cast<std::ptrdiff_t>(first_ + index));
    graph_.set_inputs(id_, std::move(inputs));
    for (Graph& region : node().regions)
      region.inputs.erase(region.inputs.begin() + static_cast<std::ptrdiff_t>(index));
  }

  // The output stays a value of the graph, which nothing produces any more.
  void erase_output(size_t index) {
    const ValueId output = node().outputs[index];
    check(graph_.use_count(output) == 0, "'{}' is still used", graph_.value(output).name);
    graph_.value(output).producer = kNone;
    node().outputs.erase(node().outputs.begin() + static_cast<std::ptrdiff_t>(index));
    for (size_t i = index; i < node().outputs.size(); ++i) {
      graph_.value(node().outputs[i]).output_index = static_cast<int>(i);
    }
    for (Graph& region : node().regions) {
      // A loop's condition has an output of its own.
      if (ops::is_loop(node()) && &region == &node().regions[0]) continue;
      region.outputs.erase(region.outputs.begin() + static_cast<std::ptrdiff_t>(index));
    }
  }

  // States that neither the condition, nor anybody behind the loop, nor another such state needs.
  int drop_states() {
    const size_t states = node().outputs.size();
    const std::vector<std::set<size_t>> next = dependences(node().regions[1]);
    std::set<size_t> needed = dependences(node().regions[0])[0];
    for (size_t i = 0; i < states; ++i) {
      if (graph_.use_count(node().outputs[i]) > 0) needed.insert(i);
    }
    for (size_t before = 0; before != needed.size();) {
      before = needed.size();
      for (size_t i = 0; i < states; ++i) {
        if (needed.count(i) > 0) needed.insert(next[i].begin(), next[i].end());
      }
    }
    int dropped = 0;
    for (size_t i = states; i-- > 0;) {
      if (needed.count(i) > 0 || node().outputs.size() == 1) continue;
      erase_output(i);
      for (Graph& region : node().regions) region.remove_dead();
      erase_argument(i);
      ++dropped;
    }
    return dropped;
  }

  // States that the body hands on unchanged do not change: they are passed behind the states.
  int fix_states() {
    int fixed = 0;
    for (size_t i = node().outputs.size(); i-- > 0 && node().outputs.size() > 1;) {
      if (passed_argument(node().regions[1], i) != static_cast<int>(i)) continue;
      const ValueId output = node().outputs[i];
      const ValueId input = node().inputs[i];
      if (graph_.is_output(output)) continue;  // the name that it is fetched by
      graph_.replace_uses(output, input);
      if (graph_.use_count(output) > 0) continue;
      erase_output(i);
      std::vector<ValueId> inputs = node().inputs;
      std::rotate(inputs.begin() + static_cast<std::ptrdiff_t>(i), inputs.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                  inputs.end());
      graph_.set_inputs(id_, std::move(inputs));
      for (Graph& region : node().regions) {
        const auto place = region.inputs.begin() + static_cast<std::ptrdiff_t>(i);
        std::rotate(place, place + 1, region.inputs.end());
      }
      ++fixed;
    }
    return fixed;
  }

  // Results of branches that nothing reads.
  int drop_results() {
    int dropped = 0;
    for (size_t i = node().outputs.size(); i-- > 0;) {
      if (graph_.use_count(node().outputs[i]) > 0 || node().outputs.size() == 1) continue;
      erase_output(i);
      ++dropped;
    }
    return dropped;
  }

  size_t states() { return ops::is_loop(node()) ? node().outputs.size() : 0; }

  int sink_constants() {
    int sunk = 0;
    for (size_t i = arguments(); i-- > states();) {
      const ir::Value& value = graph_.value(node().inputs[first_ + i]);
      if (!value.is_constant() || value.quant.defined()) continue;
      for (Graph& region : node().regions) {
        ir::Value& inner = region.value(region.inputs[i]);
        inner.constant = value.constant;
        inner.dtype = value.dtype;
        inner.shape = value.shape;
      }
      erase_argument(i);
      ++sunk;
    }
    return sunk;
  }

  int drop_unused_arguments() {
    int dropped = 0;
    for (size_t i = arguments(); i-- > states();) {
      const bool used = std::any_of(node().regions.begin(), node().regions.end(),
                                    [&](const Graph& region) { return region.use_count(region.inputs[i]) > 0; });
      if (used) continue;
      erase_argument(i);
      ++dropped;
    }
    return dropped;
  }

  Graph& graph_;
  NodeId id_;
  size_t first_;
};

// A branch that is known stands in place of the node.
bool resolve_branch(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (!ops::is_branch(node)) return false;
  const ir::Value& selector = graph.value(node.inputs[0]);
  if (!selector.is_constant()) return false;
  const Graph& region = node.regions[ops::chosen_region(node, selector.constant)];
  const std::vector<ValueId> results =
      inline_region(graph, region, std::vector<ValueId>(node.inputs.begin() + 1, node.inputs.end()));
  for (size_t i = 0; i < results.size(); ++i) {
    const ValueId output = node.outputs[i];
    if (!graph.is_output(output)) {
      graph.replace_uses(output, results[i]);
      continue;
    }
    // The name that it is fetched by.
    graph.value(output).producer = kNone;
    const NodeId copy =
        graph.add_node("Identity", graph.unique_name(graph.value(output).name + "/chosen"), {results[i]});
    const ValueId unused = graph.output(copy);
    graph.set_output(copy, 0, output);
    graph.value(unused).producer = kNone;
  }
  graph.remove(id);
  return true;
}

}  // namespace

std::vector<ValueId> inline_region(Graph& graph, const Graph& region, const std::vector<ValueId>& arguments) {
  check(arguments.size() == region.inputs.size(), "'{}' takes {} arguments, got {}", region.name, region.inputs.size(),
        arguments.size());
  std::vector<ValueId> moved(at(region.value_count()), kNone);
  for (size_t i = 0; i < arguments.size(); ++i) moved[at(region.inputs[i])] = arguments[i];
  const auto take = [&](ValueId id) {
    if (moved[at(id)] != kNone) return moved[at(id)];
    const ir::Value& value = region.value(id);
    const ValueId copy = graph.add_constant(graph.unique_name(value.name), value.constant);
    graph.value(copy).quant = value.quant;
    graph.value(copy).range = value.range;
    return moved[at(id)] = copy;
  };
  for (const NodeId id : region.order()) {
    const Node& node = region.node(id);
    std::vector<ValueId> inputs;
    for (const ValueId input : node.inputs) inputs.push_back(take(input));
    const NodeId copy =
        graph.add_node(node.op, node.name, std::move(inputs), node.attrs, static_cast<int>(node.outputs.size()));
    graph.node(copy).epilogue = node.epilogue;
    graph.node(copy).regions = node.regions;
    graph.node(copy).denylisted = node.denylisted;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ir::Value& from = region.value(node.outputs[i]);
      ir::Value& to = graph.value(graph.node(copy).outputs[i]);
      to.name = from.name;
      to.dtype = from.dtype;
      to.shape = from.shape;
      to.quant = from.quant;
      to.range = from.range;
      moved[at(node.outputs[i])] = graph.node(copy).outputs[i];
    }
  }
  std::vector<ValueId> outputs;
  for (const ir::GraphOutput& out : region.outputs) outputs.push_back(take(out.value));
  return outputs;
}

int simplify_regions(Graph& graph, PassContext&) {
  int changes = 0;
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    const Node& node = graph.node(id);
    if (!node.alive || node.regions.empty() || ops::is_fused(node)) continue;
    if (resolve_branch(graph, id)) {
      ++changes;
      continue;
    }
    changes += RegionNode(graph, id).simplify();
  }
  return changes;
}

}  // namespace tfengine::passes
