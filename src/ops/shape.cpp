// SPDX-License-Identifier: Apache-2.0
// Shape, ShapeN, Size, Rank: what is known of a tensor without its data; and BroadcastArgs, the shape of two together.
#include <algorithm>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

DType out_type(const ir::Node& node) { return node.attr_or<DType>("out_type", DType::S32); }

std::vector<TypeInfo> infer_shape(const InferContext& context) {
  require_inputs(context, 1);
  std::vector<TypeInfo> types;
  for (const TypeInfo& input : context.inputs) {
    const int64_t rank = input.shape.ranked() ? static_cast<int64_t>(input.shape.rank()) : -1;
    types.push_back({out_type(context.node), {rank}});
  }
  return types;
}

std::vector<TypeInfo> infer_scalar(const InferContext& context) {
  require_inputs(context, 1);
  return {{context.node.op == "Rank" ? DType::S32 : out_type(context.node), Shape{}}};
}

Elements dims_of(const Shape& shape) {
  Elements dims(shape.begin(), shape.end());
  std::replace(dims.begin(), dims.end(), int64_t{-1}, kUnknownElement);
  return dims;
}

std::vector<Elements> shape_elements(const InferContext& context) {
  std::vector<Elements> result;
  for (const TypeInfo& input : context.inputs) result.push_back(dims_of(input.shape));
  return result;
}

std::vector<Elements> size_elements(const InferContext& context) {
  const Shape& shape = context.inputs[0].shape;
  return {{shape.is_static() ? shape.elements() : kUnknownElement}};
}

std::vector<Elements> rank_elements(const InferContext& context) {
  const Shape& shape = context.inputs[0].shape;
  return {{shape.ranked() ? static_cast<int64_t>(shape.rank()) : kUnknownElement}};
}

std::vector<TypeInfo> infer_broadcast_args(const InferContext& context) {
  require_inputs(context, 2);
  if (!has_rank(context, 0, 1) || !has_rank(context, 1, 1)) return {{context.inputs[0].dtype, {-1}}};
  const int64_t a = context.inputs[0].shape[0], b = context.inputs[1].shape[0];
  return {{context.inputs[0].dtype, {a < 0 || b < 0 ? int64_t{-1} : std::max(a, b)}}};
}

// The size of one axis of two shapes together; 1 where a shape has no such axis.
int64_t broadcast_size(const ir::Node& node, int64_t a, int64_t b) {
  if (a == b || b == 1) return a;
  if (a == 1) return b;
  // A size that is not known may only be 1 or that of the other.
  if (a == kUnknownElement || b == kUnknownElement) return std::max(a, b) > 1 ? std::max(a, b) : kUnknownElement;
  bad_node(node, "sizes {} and {} do not go together", a, b);
}

std::vector<Elements> broadcast_elements(const InferContext& context) {
  const auto a = partial_ints(context, 0), b = partial_ints(context, 1);
  if (!a || !b) return {{}};
  const size_t rank = std::max(a->size(), b->size());
  const auto size = [rank](const Elements& shape, size_t axis) {
    const size_t missing = rank - shape.size();
    return axis < missing ? 1 : shape[axis - missing];
  };
  Elements both;
  for (size_t axis = 0; axis < rank; ++axis)
    both.push_back(broadcast_size(context.node, size(*a, axis), size(*b, axis)));
  return {both};
}

template <InferFn infer, ElementsFn elements>
std::vector<Tensor> evaluate_elements(const ir::Node& node, std::span<const Tensor> inputs) {
  const std::vector<TypeInfo> types = infer_exact(infer, node, inputs);
  std::vector<TypeInfo> input_types;
  for (const Tensor& input : inputs) input_types.push_back({input.dtype(), input.shape()});
  const std::vector<Elements> values = elements({node, input_types, inputs});
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < types.size(); ++i) outputs.push_back(from_ints(types[i].dtype, types[i].shape, values[i]));
  return outputs;
}

}  // namespace

std::vector<Op> shape_ops() {
  return {
      {.name = "Shape",
       .aliases = {"ShapeN"},
       .infer = infer_shape,
       .evaluate = evaluate_elements<infer_shape, shape_elements>,
       .elements = shape_elements},
      {.name = "Size",
       .infer = infer_scalar,
       .evaluate = evaluate_elements<infer_scalar, size_elements>,
       .elements = size_elements},
      {.name = "Rank",
       .infer = infer_scalar,
       .evaluate = evaluate_elements<infer_scalar, rank_elements>,
       .elements = rank_elements},
      {.name = "BroadcastArgs",
       .infer = infer_broadcast_args,
       .evaluate = evaluate_elements<infer_broadcast_args, broadcast_elements>,
       .elements = broadcast_elements},
  };
}

}  // namespace tfengine::ops
