// SPDX-License-Identifier: Apache-2.0
// Shape, ShapeN, Size, Rank: what is known of a tensor without its data.
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
  };
}

}  // namespace tfengine::ops
