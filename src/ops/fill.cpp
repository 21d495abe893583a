// SPDX-License-Identifier: Apache-2.0
// Tensors made from little: Fill, Range, LinSpace, ZerosLike, OnesLike, Tile, BroadcastTo, OneHot.
#include <algorithm>
#include <cmath>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

// The shape that elements of an input spell out; negative ones are refused, unknown ones stay unknown.
Shape spelled_shape(const ir::Node& node, const Elements& elements) {
  Shape shape;
  for (const int64_t dim : elements) {
    if (dim < 0 && dim != kUnknownElement)
      bad_node(node, "its shape [{}] has a negative size", fmt::join(elements, ","));
    shape.dims().push_back(std::max<int64_t>(dim, -1));
  }
  return shape;
}

std::vector<TypeInfo> infer_fill(const InferContext& context) {
  require_inputs(context, 2);
  const auto dims = partial_ints(context, 0);
  return {{context.inputs[1].dtype, dims ? spelled_shape(context.node, *dims) : Shape::unknown_rank()}};
}

std::vector<Tensor> evaluate_fill(const ir::Node& node, std::span<const Tensor> inputs) {
  const Shape out = infer_exact(infer_fill, node, inputs)[0].shape;
  if (inputs[1].elements() != 1) bad_node(node, "its value has shape {}, expected a scalar", inputs[1].shape().str());
  return {take_strided(inputs[1], {0, std::vector<int64_t>(out.rank(), 0)}, out)};
}

int64_t range_size(const ir::Node& node, double start, double limit, double delta) {
  const double size = std::ceil((limit - start) / delta);
  if (delta == 0 || std::isnan(size) || size > 1e15) {
    bad_node(node, "goes from {} to {} in steps of {}, expected a finite number of elements", start, limit, delta);
  }
  return static_cast<int64_t>(std::max(size, 0.0));
}

std::vector<TypeInfo> infer_range(const InferContext& context) {
  require_inputs(context, 3);
  const TypeInfo unknown{context.inputs[0].dtype, {-1}};
  double bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    const Tensor& value = context.constants[i];
    if (!value.defined()) return {unknown};
    if (value.elements() != 1)
      bad_node(context.node, "input {} has shape {}, expected a scalar", i, value.shape().str());
    bounds[i] = *cast_tensor(value, DType::F64).as<double>();
  }
  return {{unknown.dtype, {range_size(context.node, bounds[0], bounds[1], bounds[2])}}};
}

std::vector<Tensor> evaluate_range(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_range, node, inputs);
  const Tensor start = cast_tensor(inputs[0], output.dtype()), delta = cast_tensor(inputs[2], output.dtype());
  visit_dtype(output.dtype(), [&]<typename T>(T) {
    using C = Compute<T>;
    T* y = output.mutable_as<T>();
    C value = static_cast<C>(*start.as<T>());
    for (int64_t i = 0; i < output.elements(); ++i) {
      y[i] = convert_number<T>(value);
      value = static_cast<C>(value + static_cast<C>(*delta.as<T>()));
    }
  });
  return {output};
}

// Inputs: first value, last value, how many.
std::vector<TypeInfo> infer_lin_space(const InferContext& context) {
  require_inputs(context, 3);
  const auto count = known_int(context, 2);
  if (count && *count <= 0) bad_node(context.node, "it has {} elements, expected a positive number", *count);
  return {{context.inputs[0].dtype, {count.value_or(-1)}}};
}

std::vector<Tensor> evaluate_lin_space(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_lin_space, node, inputs);
  for (const size_t i : {0, 1}) {
    if (inputs[i].elements() != 1)
      bad_node(node, "input {} has shape {}, expected a scalar", i, inputs[i].shape().str());
  }
  const double first = *cast_tensor(inputs[0], DType::F64).as<double>();
  const double last = *cast_tensor(inputs[1], DType::F64).as<double>();
  const int64_t count = output.elements();
  visit_dtype(output.dtype(), [&]<typename T>(T) {
    T* y = output.mutable_as<T>();
    for (int64_t i = 0; i < count; ++i) {
      const double share = count > 1 ? static_cast<double>(i) / static_cast<double>(count - 1) : 0.0;
      y[i] = convert_number<T>(i > 0 && i + 1 == count ? last : first + (last - first) * share);
    }
  });
  return {output};
}

template <int kValue>
std::vector<Tensor> evaluate_like(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_same, node, inputs);
  visit_dtype(output.dtype(), [&]<typename T>(T) {
    std::fill_n(output.mutable_as<T>(), output.elements(), convert_number<T>(static_cast<float>(kValue)));
  });
  return {output};
}

std::vector<TypeInfo> infer_tile(const InferContext& context) {
  require_inputs(context, 2);
  const TypeInfo& input = context.inputs[0];
  const auto multiples = partial_ints(context, 1);
  if (!multiples || !input.shape.ranked()) {
    return {{input.dtype, input.shape.ranked() ? unknown_dims(input.shape.rank()) : Shape::unknown_rank()}};
  }
  if (multiples->size() != input.shape.rank()) {
    bad_node(context.node, "has {} multiples for an input of shape {}", multiples->size(), input.shape.str());
  }
  Shape out = spelled_shape(context.node, *multiples);
  for (size_t axis = 0; axis < out.rank(); ++axis) {
    const int64_t dim = input.shape[axis];
    if (out[axis] < 0 || dim < 0)
      out[axis] = -1;
    else if (__builtin_mul_overflow(out[axis], dim, &out[axis]))
      bad_node(context.node, "its result is too large");
  }
  return {{input.dtype, out}};
}

std::vector<Tensor> evaluate_tile(const ir::Node& node, std::span<const Tensor> inputs) {
  const Shape out = infer_exact(infer_tile, node, inputs)[0].shape;
  const Shape& in = inputs[0].shape();
  const std::vector<int64_t> strides = dense_strides(in);
  // Every axis as a pair: the repetition, which does not move in the input, and the position within it.
  Shape pairs;
  Walk walk;
  for (size_t axis = 0; axis < in.rank(); ++axis) {
    pairs.dims().push_back(in[axis] > 0 ? out[axis] / in[axis] : 0);
    pairs.dims().push_back(in[axis]);
    walk.strides.push_back(0);
    walk.strides.push_back(strides[axis]);
  }
  return {take_strided(inputs[0], walk, pairs).reshaped(out)};
}

std::vector<TypeInfo> infer_broadcast_to(const InferContext& context) {
  require_inputs(context, 2);
  const TypeInfo& input = context.inputs[0];
  const auto target = partial_ints(context, 1);
  if (!target) return {{input.dtype, Shape::unknown_rank()}};
  const Shape out = spelled_shape(context.node, *target);
  const Shape joined = broadcast_shapes(context.node, input.shape, out);
  if (joined.ranked()) {
    if (joined.rank() != out.rank()) bad_node(context.node, "cannot broadcast {} to {}", input.shape.str(), out.str());
    merge_shapes(context.node, out, joined);
  }
  return {{input.dtype, out}};
}

std::vector<Tensor> evaluate_broadcast_to(const ir::Node& node, std::span<const Tensor> inputs) {
  const Shape out = infer_exact(infer_broadcast_to, node, inputs)[0].shape;
  return {take_strided(inputs[0], {0, broadcast_strides(inputs[0].shape(), out)}, out)};
}

// Inputs: indices, depth, on value, off value.
std::vector<TypeInfo> infer_one_hot(const InferContext& context) {
  require_inputs(context, 4);
  TypeInfo type{context.inputs[2].dtype, context.inputs[0].shape};
  if (!type.shape.ranked()) return {type};
  const size_t axis = normalize_axis(context.node, context.node.attr_or<int64_t>("axis", -1), type.shape.rank() + 1);
  const int64_t depth = known_int(context, 1).value_or(-1);
  if (depth < 0 && context.constants[1].defined()) bad_node(context.node, "its depth is {}, expected a size", depth);
  type.shape.dims().insert(type.shape.dims().begin() + static_cast<std::ptrdiff_t>(axis), depth);
  return {type};
}

std::vector<Tensor> evaluate_one_hot(const ir::Node& node, std::span<const Tensor> inputs) {
  const Tensor off = inputs[3];
  const TypeInfo type = infer_exact(infer_one_hot, node, inputs)[0];
  if (inputs[2].elements() != 1 || off.elements() != 1 || off.dtype() != inputs[2].dtype()) {
    bad_node(node, "its on and off values are {} {} and {} {}, expected two scalars of one type",
             dtype_name(inputs[2].dtype()), inputs[2].shape().str(), dtype_name(off.dtype()), off.shape().str());
  }
  Tensor output = take_strided(off, {0, std::vector<int64_t>(type.shape.rank(), 0)}, type.shape);
  const size_t axis = normalize_axis(node, node.attr_or<int64_t>("axis", -1), type.shape.rank());
  const std::vector<int64_t> indices = as_ints(inputs[0]);
  const int64_t depth = type.shape[axis], inner = depth > 0 ? dense_strides(type.shape)[axis] : 1;
  visit_dtype(type.dtype, [&]<typename T>(T) {
    for (size_t i = 0; i < indices.size(); ++i) {
      if (indices[i] < 0 || indices[i] >= depth) continue;
      const auto position = static_cast<int64_t>(i);
      output.mutable_as<T>()[(position / inner * depth + indices[i]) * inner + position % inner] = *inputs[2].as<T>();
    }
  });
  return {output};
}

}  // namespace

std::vector<Op> fill_ops() {
  const Int8Rule passes{.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll};
  const Int8Rule positive{.sign = Sign::NonNegative};
  return {
      {.name = "Fill", .infer = infer_fill, .evaluate = evaluate_fill},
      {.name = "Range", .infer = infer_range, .evaluate = evaluate_range},
      {.name = "LinSpace", .infer = infer_lin_space, .evaluate = evaluate_lin_space},
      {.name = "ZerosLike",
       .aliases = {"zeros_like"},
       .infer = infer_same,
       .evaluate = evaluate_like<0>,
       .int8 = positive},
      {.name = "OnesLike",
       .aliases = {"ones_like"},
       .infer = infer_same,
       .evaluate = evaluate_like<1>,
       .int8 = positive},
      {.name = "Tile", .infer = infer_tile, .evaluate = evaluate_tile, .int8 = passes},
      {.name = "BroadcastTo", .infer = infer_broadcast_to, .evaluate = evaluate_broadcast_to, .int8 = passes},
      {.name = "OneHot", .infer = infer_one_hot, .evaluate = evaluate_one_hot},
  };
}

}  // namespace tfengine::ops
