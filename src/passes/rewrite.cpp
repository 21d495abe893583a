// SPDX-License-Identifier: Apache-2.0
#include "passes/rewrite.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "ops/numeric.h"
#include "ops/op.h"

namespace tfengine::passes {

NodeId producer_of(const Graph& graph, ValueId value, std::string_view op) {
  const NodeId id = graph.value(value).producer;
  if (id == kNone || !may_change(graph.node(id))) return kNone;
  return op.empty() || graph.node(id).op == op ? id : kNone;
}

NodeId sole_producer(const Graph& graph, ValueId value, std::string_view op) {
  return graph.single_user(value) == kNone ? kNone : producer_of(graph, value, op);
}

const Tensor* float_constant(const Graph& graph, ValueId value) {
  const ir::Value& v = graph.value(value);
  return v.is_constant() && v.constant.dtype() == DType::F32 && !v.quant.defined() ? &v.constant : nullptr;
}

std::optional<float> scalar_constant(const Graph& graph, ValueId value) {
  const Tensor* tensor = float_constant(graph, value);
  if (tensor == nullptr || tensor->elements() != 1) return std::nullopt;
  return tensor->as<float>()[0];
}

std::optional<std::vector<int64_t>> int_constant(const Graph& graph, ValueId value) {
  return ops::int_values(graph.value(value).constant);
}

std::optional<std::vector<float>> channel_constant(const Graph& graph, ValueId value, int64_t channels, size_t rank) {
  const Tensor* tensor = float_constant(graph, value);
  if (tensor == nullptr || channels <= 0 || tensor->shape().rank() > rank) return std::nullopt;
  const int64_t count = tensor->elements();
  if (count == 1) return std::vector<float>(static_cast<size_t>(channels), tensor->as<float>()[0]);
  if (count != channels || tensor->shape().back() != channels) return std::nullopt;
  return std::vector<float>(tensor->as<float>(), tensor->as<float>() + count);
}

ValueId add_float_vector(Graph& graph, std::string_view name, const std::vector<float>& values) {
  const Shape shape{static_cast<int64_t>(values.size())};
  return graph.add_constant(graph.unique_name(name), Tensor::of<float>(DType::F32, shape, values));
}

ValueId add_int_vector(Graph& graph, std::string_view name, const std::vector<int64_t>& values) {
  const Shape shape{static_cast<int64_t>(values.size())};
  const std::vector<int32_t> narrow(values.begin(), values.end());
  return graph.add_constant(graph.unique_name(name), Tensor::of<int32_t>(DType::S32, shape, narrow));
}

std::string NodesBeside::name(std::string_view part) const {
  return graph_.unique_name(fmt::format("{}/{}", graph_.node(id_).name, part));
}

ValueId NodesBeside::add(const std::string& op, std::string_view part, std::vector<ValueId> inputs,
                         ir::Attrs attrs) const {
  return graph_.output(graph_.add_node(op, name(part), std::move(inputs), std::move(attrs)));
}

ValueId NodesBeside::constant(std::string_view part, Tensor tensor) const {
  return graph_.add_constant(name(part), std::move(tensor));
}

ValueId NodesBeside::ints(std::string_view part, const std::vector<int64_t>& values) const {
  return add_int_vector(graph_, name(part), values);
}

std::optional<ConstantOperand> constant_operand(const Graph& graph, const Node& node) {
  if (node.inputs.size() != 2 || !node.epilogue.empty()) return std::nullopt;
  const ValueId a = node.inputs[0];
  const ValueId b = node.inputs[1];
  const bool a_constant = graph.value(a).is_constant();
  if (a_constant == graph.value(b).is_constant()) return std::nullopt;
  return a_constant ? ConstantOperand{b, a, true} : ConstantOperand{a, b, false};
}

bool same_shape(const Graph& graph, ValueId a, ValueId b) {
  const Shape& first = graph.value(a).shape;
  return first.ranked() && first == graph.value(b).shape;
}

int unknown_dims(const Shape& shape) {
  return static_cast<int>(std::count_if(shape.begin(), shape.end(), [](int64_t dim) { return dim < 0; }));
}

int64_t last_dim(const Graph& graph, ValueId value) {
  const Shape& shape = graph.value(value).shape;
  return shape.ranked() && shape.rank() > 0 ? shape.back() : -1;
}

bool is_float(const Graph& graph, ValueId value) { return graph.value(value).dtype == DType::F32; }

void rewrite_node(Graph& graph, NodeId id, std::string op, std::vector<ValueId> inputs, ir::Attrs attrs) {
  graph.set_inputs(id, std::move(inputs));
  Node& node = graph.node(id);
  node.op = std::move(op);
  node.attrs = std::move(attrs);
  for (size_t i = 1; i < node.outputs.size(); ++i) graph.value(node.outputs[i]).producer = kNone;
  node.outputs.resize(1);
}

void absorb(Graph& graph, NodeId first, NodeId last) {
  const ValueId output = graph.output(last);
  check(graph.single_user(graph.output(first)) == last, "'{}' is not only used by '{}'", graph.node(first).name,
        graph.node(last).name);
  graph.remove(last);
  graph.set_output(first, 0, output);
}

bool bypass(Graph& graph, NodeId id, ValueId source, int output_index) {
  const ValueId output = graph.output(id, output_index);
  const NodeId producer = graph.value(source).producer;
  const auto move_range = [&](ValueId from, ValueId to) {
    if (!graph.value(from).range) return;
    if (!graph.value(to).range) graph.value(to).range = graph.value(from).range;
    graph.value(from).range.reset();
  };
  if (graph.value(output).range && graph.value(source).range &&
      graph.value(output).range != graph.value(source).range) {
    return false;
  }
  if (!graph.is_output(output)) {
    move_range(output, source);
    graph.replace_uses(output, source);
    return true;
  }
  // The graph output's tensor stays: the producer of `source` computes it directly.
  if (producer == kNone || graph.is_output(source) || !may_change(graph.node(producer))) return false;
  move_range(source, output);
  const int source_index = graph.value(source).output_index;
  // Out of the way: the node goes on producing a value that nobody uses.
  if (graph.node(id).outputs.size() == 1) {
    graph.remove(id);
  } else {
    const ValueId unused =
        graph.add_value(graph.unique_name(graph.node(id).name + "/unused"), DType::Invalid, Shape::unknown_rank());
    graph.node(id).outputs[static_cast<size_t>(output_index)] = unused;
    graph.value(unused).producer = id;
    graph.value(unused).output_index = output_index;
  }
  graph.value(output).producer = kNone;
  graph.replace_uses(source, output);
  graph.set_output(producer, source_index, output);
  return true;
}

void set_range(ir::Value& value, const ir::Range& range) {
  if (value.range && value.range->max_abs != range.max_abs) {
    fail<InvalidModel>("tensor '{}' has two different ranges: {} from '{}' and {} from '{}'; expected one", value.name,
                       value.range->max_abs, value.range->origin, range.max_abs, range.origin);
  }
  if (!value.range) value.range = range;
}

std::optional<Act> activation_of(const Graph& graph, const Node& node) {
  if (!node.epilogue.empty() || node.inputs.size() != 1 || !is_float(graph, node.inputs[0])) return std::nullopt;
  return ops::activation_of(node);
}

namespace {

bool is_non_negative(const Graph& graph, ValueId value, int depth, int& budget) {
  const ir::Value& v = graph.value(value);
  if (v.is_constant()) {
    const Tensor* tensor = float_constant(graph, value);
    return tensor != nullptr &&
           std::all_of(tensor->as<float>(), tensor->as<float>() + tensor->elements(), [](float x) { return x >= 0; });
  }
  if (v.producer == kNone || depth == 0 || --budget < 0) return false;
  const Node& node = graph.node(v.producer);
  if (node.epilogue.after_add.kind != ActKind::None) return ops::act_non_negative(node.epilogue.after_add, false);
  if (!node.epilogue.empty()) return false;
  if (const auto act = activation_of(graph, node)) return ops::act_non_negative(*act, false);
  const ops::Op* op = ops::find_op(node.op);
  if (op == nullptr || op->int8.sign == ops::Sign::Any) return false;
  if (op->int8.sign == ops::Sign::NonNegative) return true;
  std::vector<int> inputs = op->int8.data_inputs;
  if (inputs.empty()) {
    for (int i = 0; i < static_cast<int>(node.inputs.size()); ++i) inputs.push_back(i);
  }
  return std::all_of(inputs.begin(), inputs.end(), [&](int i) {
    const ValueId input = node.inputs[static_cast<size_t>(i)];
    return graph.value(input).dtype != DType::F32 || is_non_negative(graph, input, depth - 1, budget);
  });
}

}  // namespace

// Eight producers back finds every activation in front of pooling and concatenation; more, or wider, is not worth a walk.
bool is_non_negative(const Graph& graph, ValueId value) {
  int budget = 256;
  return is_non_negative(graph, value, 8, budget);
}

}  // namespace tfengine::passes
