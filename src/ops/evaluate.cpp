// SPDX-License-Identifier: Apache-2.0
// One node, or a whole graph, as the definitions in the op families say.
#include "base/check.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

Tensor real_input(const ir::Graph& graph, const ir::Node& node, size_t i, const Tensor& tensor) {
  const ir::Quant& quant = graph.input_value(node, static_cast<int>(i)).quant;
  return quant.defined() && is_integer(tensor.dtype()) ? dequantize_tensor(tensor, quant) : tensor;
}

Tensor apply_epilogue(const ir::Node& node, const Tensor& result, std::span<const Tensor> inputs) {
  const ir::Epilogue& epilogue = node.epilogue;
  const auto extra = [&](int index) {
    return index == ir::kNone ? Tensor() : as_f32(inputs[static_cast<size_t>(index)]);
  };
  const Tensor bias = extra(epilogue.bias), residual = extra(epilogue.residual);
  const Tensor source = as_f32(result);
  const int64_t channels = bias.defined() ? bias.elements() : 1;
  if (bias.defined() && (result.shape().rank() == 0 || result.shape().back() != channels)) {
    bad_node(node, "its bias has {} elements for a result of shape {}", channels, result.shape().str());
  }
  if (residual.defined() && residual.shape() != result.shape()) {
    bad_node(node, "its residual has shape {}, expected {}", residual.shape().str(), result.shape().str());
  }
  Tensor output(DType::F32, result.shape());
  float* y = output.mutable_as<float>();
  for (int64_t i = 0; i < source.elements(); ++i) {
    float value = source.as<float>()[i];
    if (bias.defined()) value += bias.as<float>()[i % channels];
    value = apply_activation(epilogue.before_add, value);
    if (residual.defined()) value += residual.as<float>()[i];
    y[i] = apply_activation(epilogue.after_add, value);
  }
  return cast_tensor(output, result.dtype());
}

}  // namespace

std::vector<Tensor> evaluate_node(const ir::Graph& graph, const ir::Node& node, std::span<const Tensor> inputs) {
  const Op& op = require_op(node);
  check(inputs.size() == node.inputs.size(), "{} '{}': got {} tensors for {} inputs", node.op, node.name, inputs.size(),
        node.inputs.size());
  std::vector<Tensor> real;
  real.reserve(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) real.push_back(real_input(graph, node, i, inputs[i]));
  const std::span<const Tensor> all(real);
  std::vector<Tensor> outputs = op.evaluate(node, all.first(static_cast<size_t>(own_input_count(node))));
  check(outputs.size() >= node.outputs.size(), "{} '{}': computed {} outputs, expected {}", node.op, node.name,
        outputs.size(), node.outputs.size());
  outputs.resize(node.outputs.size());
  if (!node.epilogue.empty()) outputs[0] = apply_epilogue(node, outputs[0], all);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ir::Value& value = graph.value(node.outputs[i]);
    if (value.quant.defined()) outputs[i] = quantize_tensor(outputs[i], value.dtype, value.quant);
  }
  return outputs;
}

namespace {

void check_input(const ir::Value& value, const Tensor& tensor) {
  bool fits = tensor.dtype() == value.dtype || value.dtype == DType::Invalid;
  if (value.shape.ranked()) {
    fits = fits && tensor.shape().rank() == value.shape.rank();
    for (size_t axis = 0; fits && axis < value.shape.rank(); ++axis) {
      fits = value.shape[axis] < 0 || value.shape[axis] == tensor.shape()[axis];
    }
  }
  if (!fits) {
    fail<InvalidArgument>("input '{}': got {} {}, expected {} {}", value.name, dtype_name(tensor.dtype()),
                          tensor.shape().str(), dtype_name(value.dtype), value.shape.str());
  }
}

}  // namespace

std::vector<Tensor> evaluate_graph(const ir::Graph& graph, std::span<const Tensor> inputs,
                                   void (*observe)(void* state, ir::ValueId, const Tensor&), void* state) {
  if (inputs.size() != graph.inputs.size()) {
    fail<InvalidArgument>("got {} inputs, expected {}", inputs.size(), graph.inputs.size());
  }
  std::vector<Tensor> tensors(static_cast<size_t>(graph.value_count()));
  std::vector<int> uses(tensors.size());
  const auto at = [](ir::ValueId id) { return static_cast<size_t>(id); };
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    if (graph.value(id).is_constant()) tensors[at(id)] = graph.value(id).constant;
    uses[at(id)] = static_cast<int>(graph.value(id).users.size());
  }
  for (const ir::GraphOutput& output : graph.outputs) ++uses[at(output.value)];
  for (size_t i = 0; i < inputs.size(); ++i) {
    check_input(graph.value(graph.inputs[i]), inputs[i]);
    tensors[at(graph.inputs[i])] = inputs[i];
    if (observe != nullptr) observe(state, graph.inputs[i], inputs[i]);
  }
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    std::vector<Tensor> arguments;
    for (const ir::ValueId input : node.inputs) {
      check(tensors[at(input)].defined(), "{} '{}': input '{}' has no value", node.op, node.name,
            graph.value(input).name);
      arguments.push_back(tensors[at(input)]);
    }
    const std::vector<Tensor> results = evaluate_node(graph, node, arguments);
    for (size_t i = 0; i < results.size(); ++i) {
      tensors[at(node.outputs[i])] = results[i];
      if (observe != nullptr) observe(state, node.outputs[i], results[i]);
    }
    for (const ir::ValueId input : node.inputs) {
      if (--uses[at(input)] == 0) tensors[at(input)] = Tensor();
    }
  }
  std::vector<Tensor> outputs;
  for (const ir::GraphOutput& output : graph.outputs) outputs.push_back(tensors[at(output.value)]);
  return outputs;
}

}  // namespace tfengine::ops
