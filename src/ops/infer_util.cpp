// SPDX-License-Identifier: Apache-2.0
#include "ops/infer_util.h"

#include <algorithm>
#include <iterator>

#include "ops/numeric.h"

namespace tfengine::ops {

void require_inputs(const InferContext& context, size_t count) {
  if (context.inputs.size() < count) {
    bad_node(context.node, "has {} inputs, expected {}", context.inputs.size(), count);
  }
}

bool has_rank(const InferContext& context, size_t i, size_t rank) {
  const Shape& shape = context.inputs[i].shape;
  if (shape.ranked() && shape.rank() != rank) {
    bad_node(context.node, "input {} has shape {}, expected rank {}", i, shape.str(), rank);
  }
  return shape.ranked();
}

void require_nhwc(const ir::Node& node) {
  const std::string format = node.attr_or<std::string>("data_format", "NHWC");
  if (format != "NHWC") bad_node(node, "data_format is {}, expected NHWC", format);
}

size_t normalize_axis(const ir::Node& node, int64_t axis, size_t rank) {
  const auto limit = static_cast<int64_t>(rank);
  if (axis < -limit || axis >= limit) bad_node(node, "axis {} is out of range for rank {}", axis, rank);
  return static_cast<size_t>(axis < 0 ? axis + limit : axis);
}

int64_t merge_dims(const ir::Node& node, int64_t a, int64_t b, const char* what) {
  if (a < 0) return b;
  if (b >= 0 && a != b) bad_node(node, "{} is {}, expected {}", what, b, a);
  return a;
}

Shape merge_shapes(const ir::Node& node, const Shape& a, const Shape& b) {
  if (!a.ranked()) return b;
  if (!b.ranked()) return a;
  if (a.rank() != b.rank()) bad_node(node, "shapes {} and {} differ, expected equal", a.str(), b.str());
  Shape merged = a;
  for (size_t i = 0; i < a.rank(); ++i) {
    if (a[i] >= 0 && b[i] >= 0 && a[i] != b[i]) {
      bad_node(node, "shapes {} and {} differ, expected equal", a.str(), b.str());
    }
    merged[i] = a[i] < 0 ? b[i] : a[i];
  }
  return merged;
}

namespace {

int64_t broadcast_dims(const ir::Node& node, int64_t a, int64_t b, const Shape& left, const Shape& right) {
  if (a == 1) return b;
  if (b == 1) return a;
  // An unknown dimension beside one that is not 1 must be 1 or equal to it.
  if (a < 0) return b;
  if (b < 0 || a == b) return a;
  bad_node(node, "shapes {} and {} cannot be broadcast together", left.str(), right.str());
}

}  // namespace

Shape broadcast_shapes(const ir::Node& node, const Shape& a, const Shape& b) {
  if (!a.ranked() || !b.ranked()) return Shape::unknown_rank();
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Shape out = longer;
  const size_t shift = longer.rank() - shorter.rank();
  for (size_t i = 0; i < shorter.rank(); ++i)
    out[shift + i] = broadcast_dims(node, longer[shift + i], shorter[i], a, b);
  return out;
}

Shape unknown_dims(size_t rank) { return Shape(std::vector<int64_t>(rank, -1)); }

Shape resized_shape(const InferContext& context) {
  Shape out = has_rank(context, 0, 4) ? context.inputs[0].shape : unknown_dims(4);
  const auto size = partial_ints(context, 1);
  if (size && size->size() != 2) bad_node(context.node, "its size has {} elements, expected 2", size->size());
  for (size_t i = 0; i < 2; ++i) {
    const int64_t wanted = size ? (*size)[i] : kUnknownElement;
    if (wanted != kUnknownElement && wanted <= 0)
      bad_node(context.node, "its size is {}, expected a positive number", wanted);
    if (out[i + 1] == 0) bad_node(context.node, "its input of shape {} is empty", context.inputs[0].shape.str());
    out[i + 1] = std::max<int64_t>(wanted, -1);
  }
  return out;
}

DType product_dtype(const InferContext& context) {
  const DType factors = context.inputs[0].dtype;
  const auto wanted = context.node.attrs.find("Tout");
  if (factors != DType::BF16 || wanted == context.node.attrs.end()) return factors;
  const DType* sums = std::get_if<DType>(&wanted->second);
  return sums != nullptr && *sums == DType::F32 ? DType::F32 : factors;
}

std::optional<Elements> known_ints(const InferContext& context, size_t i) {
  if (i < context.constants.size() && context.constants[i].defined()) return as_ints(context.constants[i]);
  if (i >= context.partials.size() || !context.partials[i]) return std::nullopt;
  const Elements& elements = *context.partials[i];
  if (std::find(elements.begin(), elements.end(), kUnknownElement) != elements.end()) return std::nullopt;
  return elements;
}

std::optional<Elements> partial_ints(const InferContext& context, size_t i) {
  if (auto known = known_ints(context, i)) return known;
  if (i < context.partials.size() && context.partials[i]) return context.partials[i];
  const Shape& shape = context.inputs[i].shape;
  if (!shape.is_static() || shape.elements() > 1024) return std::nullopt;
  return Elements(static_cast<size_t>(shape.elements()), kUnknownElement);
}

std::optional<int64_t> known_int(const InferContext& context, size_t i) {
  const auto known = known_ints(context, i);
  if (!known) return std::nullopt;
  if (known->size() != 1) bad_node(context.node, "input {} has {} elements, expected 1", i, known->size());
  return known->front();
}

std::vector<int64_t> ints_attr(const ir::Node& node, std::string_view key) {
  const auto found = node.attrs.find(key);
  if (found == node.attrs.end()) return {};
  const auto* list = std::get_if<std::vector<int64_t>>(&found->second);
  return list != nullptr ? *list : std::vector<int64_t>{};
}

std::vector<TypeInfo> infer_exact(InferFn infer, const ir::Node& node, std::span<const Tensor> inputs) {
  std::vector<TypeInfo> types;
  types.reserve(inputs.size());
  for (const Tensor& input : inputs) types.push_back({input.dtype(), input.shape()});
  std::vector<TypeInfo> outputs = infer({node, types, inputs});
  for (const TypeInfo& output : outputs) {
    check(output.shape.is_static(), "{} '{}': its output shape {} is unknown with all inputs at hand", node.op,
          node.name, output.shape.str());
  }
  return outputs;
}

Tensor make_output(InferFn infer, const ir::Node& node, std::span<const Tensor> inputs) {
  const std::vector<TypeInfo> types = infer_exact(infer, node, inputs);
  return {types[0].dtype, types[0].shape};
}

std::vector<TypeInfo> infer_same(const InferContext& context) {
  require_inputs(context, 1);
  return {context.inputs[0]};
}

void append(std::vector<Op>& ops, std::vector<Op> more) {
  ops.insert(ops.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace tfengine::ops
