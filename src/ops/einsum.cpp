// SPDX-License-Identifier: Apache-2.0
// Einsum of one or two operands: a product summed over the labels that the result does not have. An ellipsis becomes
// labels of its own, '0' for the last axis it covers, '1' for the one before; those broadcast.
#include "ops/einsum.h"

#include <algorithm>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

using Equation = EinsumEquation;

// `labels` with its ellipsis written out for `covered` axes.
std::string spell_out(const std::string& labels, size_t covered) {
  const size_t dots = labels.find("...");
  if (dots == std::string::npos) return labels;
  std::string digits;
  for (size_t i = covered; i > 0; --i) digits += static_cast<char>('0' + i - 1);
  return labels.substr(0, dots) + digits + labels.substr(dots + 3);
}

std::vector<std::string> split_operands(const ir::Node& node, const std::string& text, size_t expected) {
  std::vector<std::string> operands(1);
  for (const char c : text) {
    if (c == ',')
      operands.emplace_back();
    else
      operands.back() += c;
  }
  if (operands.size() != expected || expected > 2 || text.size() > 100) {
    bad_node(node, "equation '{}' has {} operands, expected {}, at most 2", text, operands.size(), expected);
  }
  return operands;
}

}  // namespace

std::optional<EinsumEquation> einsum_equation(const InferContext& context) {
  const ir::Node& node = context.node;
  std::string text = node.attr<std::string>("equation");
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  const size_t arrow = text.find("->");
  if (arrow == std::string::npos) bad_node(node, "equation '{}' has no '->'", text);
  Equation equation;
  equation.operands = split_operands(node, text.substr(0, arrow), context.inputs.size());
  size_t widest = 0;
  for (size_t i = 0; i < equation.operands.size(); ++i) {
    std::string& labels = equation.operands[i];
    if (labels.find("...") == std::string::npos) continue;
    const Shape& shape = context.inputs[i].shape;
    if (!shape.ranked()) return std::nullopt;
    const size_t named = labels.size() - 3;
    if (shape.rank() < named || shape.rank() > named + 10) {
      bad_node(node, "input {} has shape {}, which does not fit '{}'", i, shape.str(), labels);
    }
    labels = spell_out(labels, shape.rank() - named);
    widest = std::max(widest, shape.rank() - named);
  }
  equation.result = spell_out(text.substr(arrow + 2), widest);
  equation.labels = equation.result;
  for (const std::string& labels : equation.operands) {
    for (const char c : labels) {
      if (equation.labels.find(c) == std::string::npos) equation.labels += c;
    }
  }
  return equation;
}

namespace {

// The size of every label.
Shape label_dims(const InferContext& context, const Equation& equation) {
  Shape dims = unknown_dims(equation.labels.size());
  for (size_t i = 0; i < equation.operands.size(); ++i) {
    const std::string& labels = equation.operands[i];
    if (!has_rank(context, i, labels.size())) continue;
    for (size_t axis = 0; axis < labels.size(); ++axis) {
      int64_t& dim = dims[equation.labels.find(labels[axis])];
      const int64_t size = context.inputs[i].shape[axis];
      const bool broadcasts = labels[axis] >= '0' && labels[axis] <= '9' && (dim == 1 || size == 1);
      dim = broadcasts ? (dim == 1 ? size : dim) : merge_dims(context.node, dim, size, "the size of a label");
    }
  }
  return dims;
}

std::vector<TypeInfo> infer_einsum(const InferContext& context) {
  require_inputs(context, 1);
  const auto equation = einsum_equation(context);
  if (!equation) return {{context.inputs[0].dtype, Shape::unknown_rank()}};
  Shape out = label_dims(context, *equation);
  out.dims().resize(equation->result.size());
  return {{context.inputs[0].dtype, out}};
}

std::vector<int64_t> label_strides(const Equation& equation, const std::string& labels, const Shape& shape) {
  std::vector<int64_t> strides(equation.labels.size(), 0);
  const std::vector<int64_t> own = dense_strides(shape);
  // A label that stands twice in an operand walks its diagonal.
  for (size_t axis = 0; axis < labels.size(); ++axis) {
    if (shape[axis] != 1) strides[equation.labels.find(labels[axis])] += own[axis];
  }
  return strides;
}

std::vector<Tensor> evaluate_einsum(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_einsum, node, inputs)[0];
  std::vector<TypeInfo> types;
  for (const Tensor& input : inputs) types.push_back({input.dtype(), input.shape()});
  const Equation equation = *einsum_equation({node, types, inputs});
  const Shape dims = label_dims({node, types, inputs}, equation);
  const Tensor a = as_f32(inputs[0]);
  const Tensor b = inputs.size() > 1 ? as_f32(inputs[1]) : Tensor::of<float>(DType::F32, {}, {1.0f});
  const auto a_strides = label_strides(equation, equation.operands[0], a.shape());
  const auto b_strides = label_strides(equation, inputs.size() > 1 ? equation.operands[1] : "", b.shape());
  std::vector<double> sums(static_cast<size_t>(type.shape.elements()), 0.0);
  walk_rows<3>(dims, {a_strides, b_strides, label_strides(equation, equation.result, type.shape)},
               [&](const auto& offset, const auto& step, int64_t count) {
                 for (int64_t i = 0; i < count; ++i) {
                   sums[static_cast<size_t>(offset[2] + i * step[2])] +=
                       static_cast<double>(a.as<float>()[offset[0] + i * step[0]]) *
                       b.as<float>()[offset[1] + i * step[1]];
                 }
               });
  Tensor output(DType::F32, type.shape);
  std::copy(sums.begin(), sums.end(), output.mutable_as<float>());
  return {cast_tensor(output, type.dtype)};
}

}  // namespace

std::vector<Op> einsum_ops() {
  return {{.name = "Einsum", .infer = infer_einsum, .evaluate = evaluate_einsum, .int8 = {.data_inputs = {}}}};
}

}  // namespace tfengine::ops
