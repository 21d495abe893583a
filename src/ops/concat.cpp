// SPDX-License-Identifier: Apache-2.0
// ConcatV2 (axis last), Concat (axis first) and Pack (stacking along a new axis).
#include <algorithm>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

TypeInfo concatenated(const InferContext& context, std::span<const TypeInfo> parts, std::optional<int64_t> axis) {
  const DType dtype = parts[0].dtype;
  Shape out = Shape::unknown_rank();
  for (const TypeInfo& part : parts) {
    if (part.dtype != dtype && part.dtype != DType::Invalid && dtype != DType::Invalid) {
      bad_node(context.node, "its inputs are {} and {}, expected one type", dtype_name(dtype), dtype_name(part.dtype));
    }
    if (!part.shape.ranked()) continue;
    if (!out.ranked()) out = unknown_dims(part.shape.rank());
    if (part.shape.rank() != out.rank()) {
      bad_node(context.node, "an input has shape {}, expected rank {}", part.shape.str(), out.rank());
    }
  }
  if (!out.ranked() || !axis) return {dtype, out};
  const size_t along = normalize_axis(context.node, *axis, out.rank());
  int64_t total = 0;
  for (const TypeInfo& part : parts) {
    if (!part.shape.ranked()) {
      total = -1;
      continue;
    }
    for (size_t a = 0; a < out.rank(); ++a) {
      if (a != along) out[a] = merge_dims(context.node, out[a], part.shape[a], "a dimension beside the joined axis");
    }
    total = total < 0 || part.shape[along] < 0 ? -1 : total + part.shape[along];
  }
  out[along] = total;
  return {dtype, out};
}

std::vector<TypeInfo> infer_concat_v2(const InferContext& context) {
  require_inputs(context, 2);
  const size_t last = context.inputs.size() - 1;
  return {concatenated(context, context.inputs.first(last), known_int(context, last))};
}

std::vector<TypeInfo> infer_concat(const InferContext& context) {
  require_inputs(context, 2);
  return {concatenated(context, context.inputs.subspan(1), known_int(context, 0))};
}

Tensor join(std::span<const Tensor> parts, size_t axis, const TypeInfo& type) {
  Tensor output(type.dtype, type.shape);
  const std::vector<int64_t> strides = dense_strides(type.shape);
  int64_t start = 0;
  for (const Tensor& part : parts) {
    copy_strided(part.data(), {0, dense_strides(part.shape())}, output.mutable_data(), {start * strides[axis], strides},
                 part.shape(), dtype_bytes(type.dtype));
    start += part.shape()[axis];
  }
  return output;
}

template <InferFn infer, bool kAxisFirst>
std::vector<Tensor> evaluate_concat(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer, node, inputs)[0];
  const Tensor& axis = kAxisFirst ? inputs.front() : inputs.back();
  const auto parts = kAxisFirst ? inputs.subspan(1) : inputs.first(inputs.size() - 1);
  return {join(parts, normalize_axis(node, as_ints(axis).front(), type.shape.rank()), type)};
}

std::vector<TypeInfo> infer_pack(const InferContext& context) {
  require_inputs(context, 1);
  TypeInfo type = context.inputs[0];
  for (const TypeInfo& input : context.inputs) type.shape = merge_shapes(context.node, type.shape, input.shape);
  if (!type.shape.ranked()) return {type};
  const size_t axis = normalize_axis(context.node, context.node.attr_or<int64_t>("axis", 0), type.shape.rank() + 1);
  type.shape.dims().insert(type.shape.dims().begin() + static_cast<std::ptrdiff_t>(axis),
                           static_cast<int64_t>(context.inputs.size()));
  return {type};
}

std::vector<Tensor> evaluate_pack(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_pack, node, inputs)[0];
  const size_t axis = normalize_axis(node, node.attr_or<int64_t>("axis", 0), type.shape.rank());
  Shape expanded = type.shape;
  expanded[axis] = 1;
  std::vector<Tensor> parts;
  parts.reserve(inputs.size());
  for (const Tensor& input : inputs) parts.push_back(input.reshaped(expanded));
  return {join(parts, axis, type)};
}

}  // namespace

std::vector<Op> concat_ops() {
  const Int8Rule common{.kind = Int8Kind::Common, .data_inputs = {}, .sign = Sign::NonNegativeIfAll};
  return {
      // The axis is an integer constant, so the rule over "all inputs" finds it without a range.
      {.name = "ConcatV2",
       .infer = infer_concat_v2,
       .evaluate = evaluate_concat<infer_concat_v2, false>,
       .int8 = common,
       .moves_elements = true},
      {.name = "Concat",
       .infer = infer_concat,
       .evaluate = evaluate_concat<infer_concat, true>,
       .moves_elements = true},
      {.name = "Pack", .infer = infer_pack, .evaluate = evaluate_pack, .int8 = common, .moves_elements = true},
  };
}

}  // namespace tfengine::ops
