// SPDX-License-Identifier: Apache-2.0
#include "quantize/decide.h"

#include <algorithm>

#include "base/check.h"
#include "quantize/facts.h"
#include "quantize/gates.h"

namespace tfengine::quantize {

namespace {

using ops::Int8Kind;

size_t at(int32_t id) { return static_cast<size_t>(id); }

bool contains(const std::vector<int>& indices, int index) {
  return std::find(indices.begin(), indices.end(), index) != indices.end();
}

// The fixed reasons against INT8, each looked at once; neighbours are not considered.
class Eligibility {
 public:
  Eligibility(const ir::Graph& graph, const Decision& decision, const RewriteOptions& options)
      : graph_(graph), decision_(decision), options_(options) {
    if (options.float_gates) gates_ = find_gates(graph);
  }

  NodeChoice judge(ir::NodeId id, std::vector<std::string>& missing) const {
    const ir::Node& node = graph_.node(id);
    const ops::Int8Rule& rule = rule_of(node);
    if (rule.kind == Int8Kind::Float) {
      return {NodeReason::FloatOnlyOp, fmt::format("{} runs in float only", node.op)};
    }
    if (!works_on_floats(node)) return {NodeReason::NotFloatData, "does not work on float32 activations"};
    if (rule.kind == Int8Kind::Elementwise && is_steep(node)) {
      return {NodeReason::PrecisionLoss, fmt::format("{} needs more precision than INT8 has", node.op)};
    }
    if (node.denylisted || options_.keep_float.count(node.name) > 0) {
      return {NodeReason::UserChoice, "kept in float on request"};
    }
    if (!gates_.empty() && gates_[at(id)]) {
      return {NodeReason::Gate, "computes factors of whole channels, whose errors would be the same at every position"};
    }
    if (rule.kind == Int8Kind::Compute) {
      if (NodeChoice choice = judge_weights(node, rule); !choice.int8()) return choice;
    }
    if (options_.int8_ok) {
      if (const std::optional<Refusal> refusal = options_.int8_ok(graph_, node)) {
        return {NodeReason::BackendRefusal, refusal->reason};
      }
    }
    if (options_.prefer_float && options_.prefer_float(node)) {
      return {NodeReason::SlowerInInt8, "faster in float at its place"};
    }
    return judge_ranges(node, rule, missing);
  }

 private:
  bool works_on_floats(const ir::Node& node) const {
    const std::vector<int> inputs = data_inputs(graph_, node);
    const bool any = std::any_of(inputs.begin(), inputs.end(),
                                 [&](int i) { return is_float_activation(graph_.input_value(node, i)); });
    return any && std::all_of(node.outputs.begin(), node.outputs.end(),
                              [&](ir::ValueId out) { return graph_.value(out).dtype == DType::F32; });
  }

  NodeChoice judge_weights(const ir::Node& node, const ops::Int8Rule& rule) const {
    const auto index = at(rule.weight_input);
    if (index >= node.inputs.size() || !graph_.value(node.inputs[index]).is_constant()) {
      return {NodeReason::WeightsNotConstant, "its weights are computed, not constant"};
    }
    if (graph_.value(node.inputs[index]).dtype != DType::F32) {
      return {NodeReason::NotFloatData,
              fmt::format("its weights are {}, expected float32", dtype_name(graph_.value(node.inputs[index]).dtype))};
    }
    return {NodeReason::Int8, ""};
  }

  // Compute nodes are what INT8 is for, so their missing ranges are the user's business. Others follow neighbours.
  NodeChoice judge_ranges(const ir::Node& node, const ops::Int8Rule& rule, std::vector<std::string>& missing) const {
    for (const int index : data_inputs(graph_, node)) {
      const ir::ValueId input = node.inputs[at(index)];
      if (decision_.has_range(input)) continue;
      const std::string& name = graph_.value(input).name;
      if (rule.kind == Int8Kind::Elementwise) continue;  // such an operand stays float
      if (rule.kind == Int8Kind::Compute) missing.push_back(name);
      return {NodeReason::NoRange, fmt::format("its input '{}' has no INT8 range", name)};
    }
    if (rule.kind == Int8Kind::Passes || rule.kind == Int8Kind::Common || rule.kind == Int8Kind::Elementwise) {
      for (const ir::ValueId out : node.outputs) {
        if (!decision_.has_range(out)) {
          return {NodeReason::NoRange, fmt::format("its output '{}' has no INT8 range", graph_.value(out).name)};
        }
      }
    }
    return {NodeReason::Int8, "runs in INT8"};
  }

  const ir::Graph& graph_;
  const Decision& decision_;
  const RewriteOptions& options_;
  std::vector<bool> gates_;  // by NodeId; empty: not looked for
};

// Whether an INT8 node that is not a Compute node gains from it: it must lie between INT8 neighbours.
bool has_int8_neighbours(const ir::Graph& graph, const ir::Node& node, const Decision& decision) {
  int inputs = 0;
  int producible = 0;
  for (const int index : data_inputs(graph, node)) {
    const ir::ValueId input = node.inputs[at(index)];
    if (!is_float_activation(graph.value(input))) continue;
    ++inputs;
    producible += decision.producible(input);
  }
  const auto& outs = node.outputs;
  const bool wanted = std::any_of(outs.begin(), outs.end(), [&](ir::ValueId out) { return decision.accepted(out); });
  switch (rule_of(node).kind) {
    // Reads a quarter of the bytes and writes few.
    case Int8Kind::Average:
      return producible > 0;
    case Int8Kind::Elementwise:
      return wanted && producible > 0;
    // Quantizing before data movement is as good as behind it when nobody needs the float result.
    case Int8Kind::Passes:
    case Int8Kind::Common: {
      const bool demanded =
          std::all_of(outs.begin(), outs.end(), [&](ir::ValueId out) { return decision.accepted_by_all(out); });
      return wanted && (demanded || (producible > 0 && 2 * producible >= inputs));
    }
    default:
      return true;
  }
}

}  // namespace

bool Decision::producible(ir::ValueId id) const { return int8(graph_.value(id).producer) && has_range(id); }

bool Decision::demands(ir::NodeId user, int input) const {
  if (!int8(user)) return false;
  const ir::Node& node = graph_.node(user);
  const Int8Kind kind = rule_of(node).kind;
  const bool movement = kind == Int8Kind::Compute || kind == Int8Kind::Passes || kind == Int8Kind::Common;
  return movement && contains(data_inputs(graph_, node), input);
}

bool Decision::accepts(ir::NodeId user, int input) const {
  if (!int8(user)) return false;
  const ir::Node& node = graph_.node(user);
  return input == node.epilogue.residual || contains(data_inputs(graph_, node), input);
}

bool Decision::accepted(ir::ValueId id) const {
  for (const ir::NodeId user : graph_.value(id).users) {
    const ir::Node& node = graph_.node(user);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == id && accepts(user, static_cast<int>(i))) return true;
    }
  }
  return false;
}

bool Decision::accepted_by_all(ir::ValueId id) const {
  const ir::Value& value = graph_.value(id);
  if (value.users.empty() || graph_.is_output(id)) return false;
  for (const ir::NodeId user : value.users) {
    const ir::Node& node = graph_.node(user);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == id && !demands(user, static_cast<int>(i))) return false;
    }
  }
  return true;
}

bool Decision::stored(ir::ValueId id) const {
  if (!is_float_activation(graph_.value(id)) || !producible(id)) return false;
  const Int8Kind kind = rule_of(graph_.node(graph_.value(id).producer)).kind;
  return kind == Int8Kind::Passes || kind == Int8Kind::Common || accepted(id);
}

bool Decision::needs_copy(ir::ValueId id) const {
  if (stored(id) || !has_range(id) || graph_.value(id).is_constant()) return false;
  for (const ir::NodeId user : graph_.value(id).users) {
    const ir::Node& node = graph_.node(user);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == id && demands(user, static_cast<int>(i))) return true;
    }
  }
  return false;
}

Decision decide(const ir::Graph& graph, const std::vector<std::optional<ir::Range>>& ranges,
                const RewriteOptions& options) {
  Decision decision(graph, ranges);
  decision.nodes.resize(at(graph.node_count()));
  const Eligibility eligibility(graph, decision, options);
  const std::vector<ir::NodeId> order = graph.order();
  for (const ir::NodeId id : order) {
    decision.nodes[at(id)] = eligibility.judge(id, decision.missing);
  }
  std::sort(decision.missing.begin(), decision.missing.end());
  decision.missing.erase(std::unique(decision.missing.begin(), decision.missing.end()), decision.missing.end());
  // Everything possible starts in INT8; what has no INT8 neighbours leaves, which may take it from others. Going both
  // ways settles a chain in one round.
  const auto settle = [&](ir::NodeId id) {
    NodeChoice& choice = decision.nodes[at(id)];
    if (!choice.int8() || has_int8_neighbours(graph, graph.node(id), decision)) return false;
    choice = {NodeReason::NoInt8Neighbour, "its neighbours are float: INT8 would only add conversions"};
    return true;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (auto id = order.begin(); id != order.end(); ++id) changed |= settle(*id);
    for (auto id = order.rbegin(); id != order.rend(); ++id) changed |= settle(*id);
  }
  return decision;
}

}  // namespace tfengine::quantize
