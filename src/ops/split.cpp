// SPDX-License-Identifier: Apache-2.0
// Split (equal parts), SplitV (given sizes) and Unpack (parts without the axis).
#include <numeric>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

size_t part_count(const ir::Node& node, const char* attribute) {
  const int64_t count = node.attr<int64_t>(attribute);
  // 65536: far above any real split; keeps a hostile attribute from asking for the memory of as many types.
  if (count < 0 || count > 65536) bad_node(node, "attribute '{}' is {}, expected 0 to 65536", attribute, count);
  return static_cast<size_t>(count);
}

std::vector<TypeInfo> parts_along(const TypeInfo& input, size_t axis, const std::vector<int64_t>& sizes) {
  std::vector<TypeInfo> parts(sizes.size(), input);
  for (size_t i = 0; i < sizes.size(); ++i) parts[i].shape[axis] = sizes[i];
  return parts;
}

std::vector<TypeInfo> unknown_parts(const TypeInfo& input, size_t count) {
  const Shape shape = input.shape.ranked() ? unknown_dims(input.shape.rank()) : Shape::unknown_rank();
  return std::vector<TypeInfo>(count, {input.dtype, shape});
}

// Inputs: axis, data.
std::vector<TypeInfo> infer_split(const InferContext& context) {
  require_inputs(context, 2);
  const TypeInfo& input = context.inputs[1];
  const size_t count = part_count(context.node, "num_split");
  const auto axis = known_int(context, 0);
  if (!axis || !input.shape.ranked()) return unknown_parts(input, count);
  const size_t along = normalize_axis(context.node, *axis, input.shape.rank());
  const int64_t size = input.shape[along];
  if (count == 0 || size % static_cast<int64_t>(count) != 0) {
    if (size >= 0)
      bad_node(context.node, "axis {} of {} cannot be split into {} equal parts", *axis, input.shape.str(), count);
  }
  return parts_along(input, along, std::vector<int64_t>(count, size < 0 ? -1 : size / static_cast<int64_t>(count)));
}

// Inputs: data, sizes (one may be -1), axis.
std::vector<TypeInfo> infer_split_v(const InferContext& context) {
  require_inputs(context, 3);
  const TypeInfo& input = context.inputs[0];
  const size_t count = part_count(context.node, "num_split");
  const auto axis = known_int(context, 2);
  auto sizes = known_ints(context, 1);
  if (!axis || !sizes || !input.shape.ranked()) return unknown_parts(input, count);
  if (sizes->size() != count) bad_node(context.node, "has {} sizes, expected {}", sizes->size(), count);
  const size_t along = normalize_axis(context.node, *axis, input.shape.rank());
  const int64_t total = input.shape[along];
  int64_t known = 0;
  int64_t* open = nullptr;
  for (int64_t& size : *sizes) {
    if (size < -1 || (size == -1 && open != nullptr) || size > (int64_t{1} << 40)) {
      bad_node(context.node, "its sizes are [{}], expected sizes with at most one -1", fmt::join(*sizes, ","));
    }
    if (size == -1)
      open = &size;
    else
      known += size;
  }
  if (open != nullptr && total >= 0) *open = total - known;
  if (total >= 0 && (open != nullptr ? *open < 0 : known != total)) {
    bad_node(context.node, "its sizes add up to {}, expected {}", known, total);
  }
  return parts_along(input, along, *sizes);
}

std::vector<TypeInfo> infer_unpack(const InferContext& context) {
  require_inputs(context, 1);
  const TypeInfo& input = context.inputs[0];
  const size_t count = part_count(context.node, "num");
  if (!input.shape.ranked()) return unknown_parts(input, count);
  if (input.shape.rank() == 0) bad_node(context.node, "its input is a scalar, expected rank 1 or more");
  const size_t axis = normalize_axis(context.node, context.node.attr_or<int64_t>("axis", 0), input.shape.rank());
  merge_dims(context.node, static_cast<int64_t>(count), input.shape[axis], "the size of the unpacked axis");
  TypeInfo part = input;
  part.shape.dims().erase(part.shape.dims().begin() + static_cast<std::ptrdiff_t>(axis));
  return std::vector<TypeInfo>(count, part);
}

std::vector<Tensor> cut(const Tensor& input, size_t axis, const std::vector<TypeInfo>& types) {
  const std::vector<int64_t> strides = dense_strides(input.shape());
  std::vector<Tensor> parts;
  int64_t start = 0;
  for (const TypeInfo& type : types) {
    parts.push_back(take_strided(input, {start * strides[axis], strides}, type.shape));
    start += type.shape[axis];
  }
  return parts;
}

std::vector<Tensor> evaluate_split(const ir::Node& node, std::span<const Tensor> inputs) {
  const auto types = infer_exact(infer_split, node, inputs);
  return cut(inputs[1], normalize_axis(node, as_ints(inputs[0])[0], inputs[1].shape().rank()), types);
}

std::vector<Tensor> evaluate_split_v(const ir::Node& node, std::span<const Tensor> inputs) {
  const auto types = infer_exact(infer_split_v, node, inputs);
  return cut(inputs[0], normalize_axis(node, as_ints(inputs[2])[0], inputs[0].shape().rank()), types);
}

std::vector<Tensor> evaluate_unpack(const ir::Node& node, std::span<const Tensor> inputs) {
  const auto types = infer_exact(infer_unpack, node, inputs);
  const size_t axis = normalize_axis(node, node.attr_or<int64_t>("axis", 0), inputs[0].shape().rank());
  std::vector<TypeInfo> with_axis = types;
  for (TypeInfo& type : with_axis) {
    type.shape.dims().insert(type.shape.dims().begin() + static_cast<std::ptrdiff_t>(axis), 1);
  }
  std::vector<Tensor> parts = cut(inputs[0], axis, with_axis);
  for (size_t i = 0; i < parts.size(); ++i) parts[i] = parts[i].reshaped(types[i].shape);
  return parts;
}

}  // namespace

std::vector<Op> split_ops() {
  const auto rule = [](int data) {
    return Int8Rule{.kind = Int8Kind::Passes, .data_inputs = {data}, .sign = Sign::NonNegativeIfAll};
  };
  return {
      {.name = "Split", .infer = infer_split, .evaluate = evaluate_split, .int8 = rule(1), .moves_elements = true},
      {.name = "SplitV", .infer = infer_split_v, .evaluate = evaluate_split_v, .int8 = rule(0), .moves_elements = true},
      {.name = "Unpack", .infer = infer_unpack, .evaluate = evaluate_unpack, .int8 = rule(0), .moves_elements = true},
  };
}

}  // namespace tfengine::ops
