// SPDX-License-Identifier: Apache-2.0
#include "passes/quantization_nodes.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "ops/op.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

constexpr std::array<std::string_view, 6> kOps = {"FakeQuantWithMinMaxArgs",           "FakeQuantWithMinMaxVars",
                                                  "FakeQuantWithMinMaxVarsPerChannel", "QuantizeAndDequantizeV2",
                                                  "QuantizeAndDequantizeV3",           "QuantizeAndDequantizeV4"};

struct Interval {
  float max_abs = 0.0f;
  bool per_channel = false;
};

// Largest magnitude over a constant of one or more elements.
std::optional<float> max_abs_of(const Graph& graph, ValueId value) {
  const Tensor* tensor = float_constant(graph, value);
  if (tensor == nullptr || tensor->elements() < 1) return std::nullopt;
  float largest = 0.0f;
  for (int64_t i = 0; i < tensor->elements(); ++i) {
    const float magnitude = std::fabs(tensor->as<float>()[i]);
    if (!std::isfinite(magnitude)) return magnitude;
    largest = std::max(largest, magnitude);
  }
  return largest;
}

// Nothing when the interval is computed at run time.
std::optional<Interval> interval_of(const Graph& graph, const Node& node) {
  if (node.op == "FakeQuantWithMinMaxArgs") {
    const float low = node.attr_or<float>("min", -6.0f);
    const float high = node.attr_or<float>("max", 6.0f);
    return Interval{std::max(std::fabs(low), std::fabs(high)), false};
  }
  if (node.op.rfind("Quantize", 0) == 0 && !node.attr_or<bool>("range_given", node.op.back() == '3'))
    return std::nullopt;
  if (node.inputs.size() < 3) return std::nullopt;
  const auto low = max_abs_of(graph, node.inputs[1]);
  const auto high = max_abs_of(graph, node.inputs[2]);
  if (!low || !high) return std::nullopt;
  return Interval{std::max(*low, *high), graph.value(node.inputs[1]).constant.elements() > 1};
}

bool all_constant(const Graph& graph, const Node& node) {
  return std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId input) { return graph.value(input).is_constant(); });
}

bool fold_weights(Graph& graph, NodeId id, PassContext& context) {
  const Node& node = graph.node(id);
  const ops::Op* op = ops::find_op(node.op);
  if (op == nullptr || op->evaluate == nullptr || !all_constant(graph, node)) return false;
  std::vector<Tensor> inputs;
  for (const ValueId input : node.inputs) inputs.push_back(graph.value(input).constant);
  const Tensor rounded = ops::evaluate_node(graph, node, inputs).at(0);
  const auto interval = interval_of(graph, node);
  context.note(fmt::format("'{}' rounds constant '{}'{}; the rounded values are used", node.name,
                           graph.input_value(node, 0).name,
                           interval && interval->per_channel ? " with a range per channel" : ""));
  const ValueId output = graph.output(id);
  graph.remove(id);
  graph.value(output).constant = rounded;
  graph.value(output).dtype = rounded.dtype();
  graph.value(output).shape = rounded.shape();
  return true;
}

bool move_range(Graph& graph, NodeId id, PassContext& context) {
  const Node& node = graph.node(id);
  const auto interval = interval_of(graph, node);
  if (!interval) {
    context.note(
        fmt::format("{} '{}' stays: its range is computed at run time; expected constants", node.op, node.name));
    return false;
  }
  if (!std::isfinite(interval->max_abs) || interval->max_abs <= 0.0f) {
    fail<InvalidModel>("{} '{}' gives a range of magnitude {}; expected a finite number above 0", node.op, node.name,
                       interval->max_abs);
  }
  const ValueId source = node.inputs[0];
  const ir::Range range{interval->max_abs, ir::RangeSource::Custom, node.name};
  // The node's own output may carry the range of a second node behind it.
  const ir::Value& output = graph.value(node.outputs[0]);
  if (output.range) set_range(graph.value(source), *output.range);
  set_range(graph.value(source), range);
  graph.value(node.outputs[0]).range.reset();
  return bypass(graph, id, source);
}

}  // namespace

bool is_quantization_node(const Node& node) { return std::find(kOps.begin(), kOps.end(), node.op) != kOps.end(); }

int quantization_nodes(Graph& graph, PassContext& context) {
  int changed = 0;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!may_change(node) || !is_quantization_node(node)) continue;
    const bool weights = graph.input_value(node, 0).is_constant();
    changed += weights ? fold_weights(graph, id, context) : move_range(graph, id, context);
  }
  return changed;
}

}  // namespace tfengine::passes
