// SPDX-License-Identifier: Apache-2.0
#include "passes/quantization_nodes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <variant>

#include "base/check.h"
#include "ops/op.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

constexpr std::array<std::string_view, 6> kOps = {"FakeQuantWithMinMaxArgs",           "FakeQuantWithMinMaxVars",
                                                  "FakeQuantWithMinMaxVarsPerChannel", "QuantizeAndDequantizeV2",
                                                  "QuantizeAndDequantizeV3",           "QuantizeAndDequantizeV4"};

// What a node asks for on an activation.
struct Interval {
  float low = 0.0f;
  float high = 0.0f;
  size_t channels = 1;  // ranges that it gives
  float max_abs() const { return std::max(std::fabs(low), std::fabs(high)); }
  // The share of [-max_abs, max_abs] that lies between low and high.
  float used() const { return (high - low) / (2 * max_abs()); }
};

// An interval, or why the node stays as it is.
using IntervalOrReason = std::variant<Interval, std::string>;

bool quantizes_and_dequantizes(const Node& node) { return node.op.rfind("Quantize", 0) == 0; }
// Import gives the three versions one name, but the third has an input of its own, and another default.
bool is_third_version(const Node& node) { return quantizes_and_dequantizes(node) && node.inputs.size() > 3; }
bool range_given(const Node& node) { return node.attr_or<bool>("range_given", is_third_version(node)); }
bool clips_negatives(const Node& node) {
  return quantizes_and_dequantizes(node) && !node.attr_or<bool>("signed_input", true);
}

// Nothing when it is computed at run time.
std::optional<int64_t> bits_of(const Graph& graph, const Node& node) {
  if (!is_third_version(node)) return node.attr_or<int64_t>("num_bits", 8);
  const auto bits = int_constant(graph, node.inputs[3]);
  return bits && bits->size() == 1 ? std::optional(bits->front()) : std::nullopt;
}

// The union of the intervals per channel, of which there is one at least.
Interval interval_of_constants(const Node& node, const Tensor& lows, const Tensor& highs) {
  if (lows.elements() != highs.elements() || lows.elements() < 1) {
    fail<InvalidModel>("{} '{}' has {} minima and {} maxima; expected equally many, and at least one", node.op,
                       node.name, lows.elements(), highs.elements());
  }
  Interval all{lows.as<float>()[0], highs.as<float>()[0], static_cast<size_t>(lows.elements())};
  for (int64_t i = 0; i < lows.elements(); ++i) {
    const float low = lows.as<float>()[i], high = highs.as<float>()[i];
    // The first of them that is no range is what the caller should name.
    if (!(low <= high) || !std::isfinite(low) || !std::isfinite(high)) return {low, high, all.channels};
    all.low = std::min(all.low, low);
    all.high = std::max(all.high, high);
  }
  return all;
}

IntervalOrReason interval_of(const Graph& graph, const Node& node) {
  const std::optional<int64_t> bits = bits_of(graph, node);
  if (!bits) return "its num_bits is computed at run time; expected a constant";
  if (*bits != 8) return fmt::format("its num_bits is {}; a range for INT8 needs 8", *bits);
  if (node.op == "FakeQuantWithMinMaxArgs") {
    return Interval{node.attr_or<float>("min", -6.0f), node.attr_or<float>("max", 6.0f), 1};
  }
  if (quantizes_and_dequantizes(node) && !range_given(node)) {
    return "it takes its range from each batch; give one with range_given=true";
  }
  const Tensor* lows = node.inputs.size() < 3 ? nullptr : float_constant(graph, node.inputs[1]);
  const Tensor* highs = lows == nullptr ? nullptr : float_constant(graph, node.inputs[2]);
  if (highs == nullptr) return "its range is computed at run time; expected constants";
  Interval interval = interval_of_constants(node, *lows, *highs);
  if (clips_negatives(node) && interval.low <= interval.high) interval.low = std::min(0.0f, interval.high);
  return interval;
}

void check_interval(const Node& node, const Interval& interval) {
  if (!std::isfinite(interval.low) || !std::isfinite(interval.high) || interval.low > interval.high ||
      interval.max_abs() == 0.0f) {
    fail<InvalidModel>(
        "{} '{}' gives the range [{}, {}]; expected finite numbers, the first not above the second and "
        "not both 0",
        node.op, node.name, interval.low, interval.high);
  }
}

bool all_constant(const Graph& graph, const Node& node) {
  return std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId input) { return graph.value(input).is_constant(); });
}

bool fold_weights(Graph& graph, NodeId id, PassContext& context) {
  const Node& node = graph.node(id);
  const ops::Op* op = ops::find_op(node.op);
  if (op == nullptr || op->evaluate == nullptr) return false;
  if (!all_constant(graph, node)) {
    context.note(fmt::format("{} '{}' stays: it rounds constant '{}' to a range that is computed at run time", node.op,
                             node.name, graph.input_value(node, 0).name));
    return false;
  }
  std::vector<Tensor> inputs;
  for (const ValueId input : node.inputs) inputs.push_back(graph.value(input).constant);
  const Tensor rounded = ops::evaluate_node(graph, node, inputs).at(0);
  const bool per_channel = node.attr_or<int64_t>("axis", -1) >= 0 || (inputs.size() > 1 && inputs[1].elements() > 1);
  context.note(fmt::format("'{}' rounds constant '{}'{}; the rounded values are used", node.name,
                           graph.input_value(node, 0).name, per_channel ? " with a range per channel" : ""));
  const ValueId output = graph.output(id);
  graph.remove(id);
  graph.value(output).constant = rounded;
  graph.value(output).dtype = rounded.dtype();
  graph.value(output).shape = rounded.shape();
  return true;
}

// What the INT8 range does not keep of the node.
void note_differences(const Graph& graph, const Node& node, const Interval& interval, ValueId source,
                      PassContext& context) {
  // More of the grid than this for values that never come is worth a word.
  constexpr float kWellUsed = 0.5f;
  const std::string& name = graph.value(source).name;
  if (interval.channels > 1) {
    context.note(
        fmt::format("{} '{}' gives {} ranges, one per channel of '{}'; INT8 has one for the tensor: the widest, "
                    "{}",
                    node.op, node.name, interval.channels, name, interval.max_abs()));
  }
  if (quantizes_and_dequantizes(node) && node.attr_or<std::string>("round_mode", "HALF_TO_EVEN") == "HALF_UP") {
    context.note(fmt::format("{} '{}' asks for round_mode HALF_UP; INT8 rounds halves to even", node.op, node.name));
  }
  if (interval.used() <= kWellUsed && !is_non_negative(graph, source)) {
    context.note(
        fmt::format("the range [{}, {}] of '{}' (from '{}') becomes [{}, {}]: {:.0f} % of the INT8 grid is for "
                    "values that do not come",
                    interval.low, interval.high, name, node.name, -interval.max_abs(), interval.max_abs(),
                    100 * (1 - interval.used())));
  }
}

// The tensor that the range is for; a node that clips negative values away leaves a Relu behind that does.
ValueId clipped_source(Graph& graph, const Node& node) {
  const ValueId source = node.inputs[0];
  if (!clips_negatives(node) || is_non_negative(graph, source)) return source;
  // Between an input and an output of the graph the node stays; see bypass().
  if (graph.is_output(node.outputs[0]) && graph.value(source).producer == kNone) return source;
  const std::string name = graph.unique_name(node.name + "/relu");
  const NodeId relu = graph.add_node("Relu", name, {source});
  const ValueId clipped = graph.output(relu);
  graph.value(clipped).dtype = graph.value(source).dtype;
  graph.value(clipped).shape = graph.value(source).shape;
  return clipped;
}

bool is_part(const Graph& graph, ValueId value) {
  const NodeId producer = graph.value(value).producer;
  return producer != kNone && graph.node(producer).outputs.size() > 1;
}

bool move_range(Graph& graph, NodeId id, PassContext& context) {
  const IntervalOrReason found = interval_of(graph, graph.node(id));
  if (const std::string* reason = std::get_if<std::string>(&found)) {
    context.note(fmt::format("{} '{}' stays: {}", graph.node(id).op, graph.node(id).name, *reason));
    return false;
  }
  const Interval& interval = std::get<Interval>(found);
  check_interval(graph.node(id), interval);
  const ir::Range range{interval.max_abs(), ir::RangeSource::Custom, graph.node(id).name};
  const ValueId source = clipped_source(graph, Node(graph.node(id)));
  if (source != graph.node(id).inputs[0]) graph.set_input(id, 0, source);
  const Node& node = graph.node(id);
  note_differences(graph, node, interval, source, context);
  // Each part of a tensor may have a range of its own, which the grid that the parts share has not: it stands behind the part.
  if (is_part(graph, source)) {
    set_range(graph.value(node.outputs[0]), range);
    rewrite_node(graph, id, "Identity", {source});
    return true;
  }
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
