// SPDX-License-Identifier: Apache-2.0
#include "quantize/facts.h"

#include <algorithm>
#include <cmath>

namespace tfengine::quantize {

namespace {

using ops::Int8Kind;
using ops::Sign;

std::string_view canonical_name(const ir::Node& node) {
  const ops::Op* op = ops::find_op(node.op);
  return op == nullptr ? std::string_view(node.op) : op->name;
}

bool constant_non_negative(const Tensor& tensor) {
  if (tensor.dtype() != DType::F32) return false;
  const float* data = tensor.as<float>();
  return std::all_of(data, data + tensor.elements(), [](float x) { return x >= 0.0f; });
}

std::optional<float> act_bound(const Act& act, std::optional<float> argument) {
  switch (act.kind) {
    case ActKind::Clip:
      return std::max(std::abs(act.alpha), std::abs(act.beta));
    case ActKind::Sigmoid:
    case ActKind::HardSigmoid:
    case ActKind::Tanh:
      return 1.0f;
    case ActKind::None:
    case ActKind::Relu:
      return argument;
    default:
      return std::nullopt;
  }
}

bool node_non_negative(const ir::Graph& graph, const ir::Node& node, const std::vector<bool>& known) {
  const auto of_input = [&](int index) { return known[static_cast<size_t>(node.inputs[static_cast<size_t>(index)])]; };
  const ops::Int8Rule& rule = rule_of(node);
  bool result = rule.sign == Sign::NonNegative;
  if (rule.sign == Sign::NonNegativeIfAll) {
    const std::vector<int> inputs = data_inputs(graph, node);
    result = !inputs.empty() && std::all_of(inputs.begin(), inputs.end(), of_input);
  }
  if (const std::optional<Act> act = ops::activation_of(node)) result = ops::act_non_negative(*act, of_input(0));
  const ir::Epilogue& epilogue = node.epilogue;
  if (epilogue.bias != ir::kNone)
    result = result && constant_non_negative(graph.input_value(node, epilogue.bias).constant);
  result = ops::act_non_negative(epilogue.before_add, result);
  if (epilogue.residual != ir::kNone) result = result && of_input(epilogue.residual);
  return ops::act_non_negative(epilogue.after_add, result);
}

// A bound by the op alone; averaging and moving data keep that of the inputs.
std::optional<float> op_bound(const ir::Graph& graph, const ir::Node& node,
                              const std::vector<std::optional<float>>& known) {
  const ops::Int8Rule& rule = rule_of(node);
  if (rule.fixed_max_abs) return rule.fixed_max_abs;
  if (const std::optional<Act> act = ops::activation_of(node)) {
    return act_bound(*act, known[static_cast<size_t>(node.inputs[0])]);
  }
  if (rule.kind != Int8Kind::Passes && rule.kind != Int8Kind::Common && rule.kind != Int8Kind::Average) {
    return std::nullopt;
  }
  std::optional<float> largest;
  for (const int index : data_inputs(graph, node)) {
    const std::optional<float>& bound = known[static_cast<size_t>(node.inputs[static_cast<size_t>(index)])];
    if (!bound) return std::nullopt;
    largest = std::max(largest.value_or(0.0f), *bound);
  }
  return largest;
}

std::optional<float> node_bound(const ir::Graph& graph, const ir::Node& node,
                                const std::vector<std::optional<float>>& known) {
  const ir::Epilogue& epilogue = node.epilogue;
  std::optional<float> bound = op_bound(graph, node, known);
  if (epilogue.bias != ir::kNone) bound.reset();
  bound = act_bound(epilogue.before_add, bound);
  if (epilogue.residual != ir::kNone) {
    const std::optional<float>& added = known[static_cast<size_t>(node.inputs[static_cast<size_t>(epilogue.residual)])];
    bound = bound && added ? std::optional(*bound + *added) : std::nullopt;
  }
  bound = act_bound(epilogue.after_add, bound);
  return bound && std::isfinite(*bound) ? bound : std::nullopt;
}

}  // namespace

const ops::Int8Rule& rule_of(const ir::Node& node) {
  static const ops::Int8Rule kFloat;
  const ops::Op* op = ops::find_op(node.op);
  return op == nullptr ? kFloat : op->int8;
}

std::vector<int> data_inputs(const ir::Graph& graph, const ir::Node& node) {
  std::vector<int> inputs = rule_of(node).data_inputs;
  if (inputs.empty()) {
    for (int i = 0; i < ops::own_input_count(node); ++i) inputs.push_back(i);
  }
  // Ops that take all inputs as data may have axes and conditions among them.
  std::erase_if(inputs, [&](int index) {
    return index >= static_cast<int>(node.inputs.size()) || graph.input_value(node, index).dtype != DType::F32;
  });
  return inputs;
}

bool is_steep(const ir::Node& node) {
  constexpr std::string_view kOps[] = {
      "Acos", "Acosh", "Asin", "Atanh",   "Cos",        "Cosh",  "Div", "Erfc", "Exp",  "Expm1",  "Inv",
      "Log",  "Log1p", "Pow",  "RealDiv", "Reciprocal", "Rsqrt", "Sin", "Sinh", "Sqrt", "Square", "SquaredDifference",
      "Tan"};
  return std::find(std::begin(kOps), std::end(kOps), canonical_name(node)) != std::end(kOps);
}

bool is_float_activation(const ir::Value& value) { return value.dtype == DType::F32 && !value.is_constant(); }

bool is_custom(const std::optional<ir::Range>& range) { return range && range->source == ir::RangeSource::Custom; }

bool keeps_all_elements(const ir::Node& node) {
  constexpr std::string_view kOps[] = {"DepthToSpace", "ExpandDims",   "Identity", "Pad",
                                       "Reshape",      "SpaceToDepth", "Squeeze",  "Transpose"};
  return std::find(std::begin(kOps), std::end(kOps), canonical_name(node)) != std::end(kOps);
}

std::vector<bool> find_non_negative(const ir::Graph& graph, const std::set<std::string>& inputs) {
  std::vector<bool> known(static_cast<size_t>(graph.value_count()), false);
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    const ir::Value& value = graph.value(id);
    known[static_cast<size_t>(id)] =
        value.is_constant() ? constant_non_negative(value.constant) : value.dtype == DType::U8;
  }
  for (const ir::ValueId id : graph.inputs) {
    if (inputs.count(graph.value(id).name) > 0) known[static_cast<size_t>(id)] = true;
  }
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    if (!node_non_negative(graph, node, known)) continue;
    for (const ir::ValueId out : node.outputs) known[static_cast<size_t>(out)] = true;
  }
  return known;
}

std::vector<std::optional<float>> find_bounds(const ir::Graph& graph) {
  std::vector<std::optional<float>> known(static_cast<size_t>(graph.value_count()));
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    const std::optional<float> bound = node_bound(graph, node, known);
    for (const ir::ValueId out : node.outputs) known[static_cast<size_t>(out)] = bound;
  }
  return known;
}

}  // namespace tfengine::quantize
