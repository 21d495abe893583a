// SPDX-License-Identifier: Apache-2.0
#include "passes/clean_up.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// Output i equals input i.
constexpr std::array<std::string_view, 8> kPassThrough = {
    "Identity", "IdentityN",     "StopGradient",           "PreventGradient",
    "Snapshot", "CheckNumerics", "PlaceholderWithDefault", "EnsureShape"};
constexpr std::array<std::string_view, 3> kWithoutResult = {"NoOp", "Assert", "Print"};

template <size_t N>
bool is_one_of(const std::array<std::string_view, N>& ops, std::string_view op) {
  return std::find(ops.begin(), ops.end(), op) != ops.end();
}

// Whether a value is drawn at random, looking through what turns the draw into a mask.
bool is_random_mask(const Graph& graph, ValueId value, int depth = 6) {
  const NodeId id = producer_of(graph, value);
  if (id == kNone || depth == 0) return false;
  const Node& node = graph.node(id);
  if (node.op.find("RandomUniform") != std::string::npos) return true;
  constexpr std::array<std::string_view, 6> kMaskOps = {"Floor", "Add", "Cast", "GreaterEqual", "Sub", "Mul"};
  if (!is_one_of(kMaskOps, node.op)) return false;
  return std::any_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId input) { return is_random_mask(graph, input, depth - 1); });
}

// The tensor that dropout scaled by 1 / keep_probability, or the value itself.
ValueId without_scale(const Graph& graph, ValueId value) {
  const NodeId id = producer_of(graph, value);
  if (id == kNone) return value;
  const Node& node = graph.node(id);
  if (node.op != "Mul" && node.op != "RealDiv") return value;
  const auto scaled = constant_operand(graph, node);
  return scaled && scalar_constant(graph, scaled->constant) ? scaled->operand : value;
}

// Dropout in its training form: x / keep * mask, or select(mask, x / keep, 0). In inference it is x.
ValueId dropout_source(const Graph& graph, const Node& node) {
  if (node.op == "Mul") {
    for (const int side : {0, 1}) {
      if (is_random_mask(graph, node.inputs[static_cast<size_t>(side)])) {
        return without_scale(graph, node.inputs[static_cast<size_t>(1 - side)]);
      }
    }
  }
  if ((node.op == "SelectV2" || node.op == "Select") && is_random_mask(graph, node.inputs[0])) {
    return without_scale(graph, node.inputs[1]);
  }
  return kNone;
}

int remove_pass_through(Graph& graph, NodeId id) {
  int removed = 0;
  // A copy: bypass() changes the node, and may remove it.
  const std::vector<ValueId> inputs = graph.node(id).inputs;
  const std::vector<ValueId> outputs = graph.node(id).outputs;
  for (size_t i = 0; i < outputs.size() && i < inputs.size(); ++i) {
    if (graph.use_count(outputs[i]) > 0) removed += bypass(graph, id, inputs[i], static_cast<int>(i));
  }
  return removed;
}

}  // namespace

int clean_up(Graph& graph, PassContext& context) {
  int removed = 0;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!may_change(node)) continue;
    if (is_one_of(kWithoutResult, node.op) && node.outputs.empty()) {
      graph.remove(id);
      ++removed;
    } else if (is_one_of(kPassThrough, node.op)) {
      removed += remove_pass_through(graph, id);
    } else if (const ValueId source = dropout_source(graph, node); source != kNone) {
      const std::string name = node.name;
      if (bypass(graph, id, source)) {
        context.note(fmt::format("dropout '{}' was left in the graph in its training form; it is removed", name));
        ++removed;
      }
    }
  }
  return removed;
}

}  // namespace tfengine::passes
