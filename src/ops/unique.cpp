// SPDX-License-Identifier: Apache-2.0
// Ops whose results are as many as the data says: Unique, UniqueV2 (along an axis), both with counts, and Where. Their
// sizes are known where their inputs are.
#include <algorithm>
#include <cstring>
#include <string_view>
#include <unordered_map>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

// The slices along an axis as runs of bytes.
struct Slices {
  size_t axis = 0;
  std::vector<std::string> bytes;
};

Slices slices_of(const ir::Node& node, std::span<const Tensor> inputs) {
  const Tensor& input = inputs[0];
  Slices slices;
  std::vector<int64_t> axes;
  if (inputs.size() > 1) axes = as_ints(inputs[1]);
  if (axes.size() > 1) bad_node(node, "has {} axes, expected one or none", axes.size());
  if (axes.empty() && input.shape().rank() != 1) {
    bad_node(node, "its input has shape {}, expected rank 1, or an axis", input.shape().str());
  }
  if (!axes.empty()) slices.axis = normalize_axis(node, axes[0], input.shape().rank());
  const int64_t size = input.shape()[slices.axis], inner = dense_strides(input.shape())[slices.axis];
  const size_t run = static_cast<size_t>(inner) * dtype_bytes(input.dtype());
  slices.bytes.resize(static_cast<size_t>(size));
  for (int64_t at = 0; at < input.elements(); at += inner) {
    slices.bytes[static_cast<size_t>(at / inner % size)].append(
        input.as<char>() + static_cast<size_t>(at) * dtype_bytes(input.dtype()), run);
  }
  return slices;
}

struct Groups {
  std::vector<int64_t> first;  // of each group: the slice that it appeared in first
  std::vector<int64_t> group;  // of each slice
  std::vector<int64_t> count;  // of each group
};

Groups groups_of(const Slices& slices) {
  Groups groups;
  std::unordered_map<std::string_view, int64_t> seen;
  for (size_t i = 0; i < slices.bytes.size(); ++i) {
    const auto [found, fresh] = seen.emplace(slices.bytes[i], static_cast<int64_t>(groups.first.size()));
    if (fresh) {
      groups.first.push_back(static_cast<int64_t>(i));
      groups.count.push_back(0);
    }
    groups.group.push_back(found->second);
    ++groups.count[static_cast<size_t>(found->second)];
  }
  return groups;
}

std::vector<TypeInfo> infer_unique(const InferContext& context) {
  require_inputs(context, 1);
  const TypeInfo& input = context.inputs[0];
  const DType index = context.node.attr_or<DType>("out_idx", DType::S32);
  TypeInfo values = input;
  int64_t slices = -1, groups = -1;
  if (input.shape.ranked()) {
    const auto axes = context.inputs.size() > 1 ? known_ints(context, 1) : std::optional<Elements>(Elements{});
    if (!axes) {
      values.shape = unknown_dims(input.shape.rank());
    } else {
      const size_t axis = axes->empty() ? 0 : normalize_axis(context.node, (*axes)[0], input.shape.rank());
      if (input.shape.rank() == 0) bad_node(context.node, "its input is a scalar, expected rank 1 or more");
      slices = input.shape[axis];
      const bool known = std::all_of(context.constants.begin(), context.constants.end(),
                                     [](const Tensor& tensor) { return tensor.defined(); });
      if (known) groups = static_cast<int64_t>(groups_of(slices_of(context.node, context.constants)).first.size());
      values.shape[axis] = groups;
    }
  }
  return {values, {index, {slices}}, {index, {groups}}};
}

std::vector<Tensor> evaluate_unique(const ir::Node& node, std::span<const Tensor> inputs) {
  const std::vector<TypeInfo> types = infer_exact(infer_unique, node, inputs);
  const Slices slices = slices_of(node, inputs);
  const Groups groups = groups_of(slices);
  const Tensor& input = inputs[0];
  const int64_t inner = dense_strides(input.shape())[slices.axis];
  const int64_t outer = input.shape()[slices.axis] > 0 ? input.elements() / (inner * input.shape()[slices.axis]) : 0;
  const size_t run = static_cast<size_t>(inner) * dtype_bytes(input.dtype());
  Tensor values(types[0].dtype, types[0].shape);
  auto* to = values.mutable_as<char>();
  for (int64_t o = 0; o < outer; ++o) {
    for (const int64_t first : groups.first) {
      to = std::copy_n(slices.bytes[static_cast<size_t>(first)].data() + static_cast<size_t>(o) * run, run, to);
    }
  }
  return {values, from_ints(types[1].dtype, types[1].shape, groups.group),
          from_ints(types[2].dtype, types[2].shape, groups.count)};
}

std::vector<TypeInfo> infer_where(const InferContext& context) {
  require_inputs(context, 1);
  const Shape& shape = context.inputs[0].shape;
  int64_t count = -1;
  if (!context.constants.empty() && context.constants[0].defined()) {
    const Tensor flags = cast_tensor(context.constants[0], DType::Bool);
    count = std::count(flags.as<bool>(), flags.as<bool>() + flags.elements(), true);
  }
  return {{DType::S64, {count, shape.ranked() ? static_cast<int64_t>(shape.rank()) : -1}}};
}

std::vector<Tensor> evaluate_where(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_where, node, inputs);
  const Tensor flags = cast_tensor(inputs[0], DType::Bool);
  const Shape& shape = flags.shape();
  const std::vector<int64_t> strides = dense_strides(shape);
  auto* to = output.mutable_as<int64_t>();
  for (int64_t i = 0; i < flags.elements(); ++i) {
    if (!flags.as<bool>()[i]) continue;
    for (size_t axis = 0; axis < shape.rank(); ++axis) *to++ = i / strides[axis] % shape[axis];
  }
  return {output};
}

}  // namespace

std::vector<Op> unique_ops() {
  return {
      {.name = "Unique", .aliases = {"UniqueV2"}, .infer = infer_unique, .evaluate = evaluate_unique},
      {.name = "UniqueWithCounts",
       .aliases = {"UniqueWithCountsV2"},
       .infer = infer_unique,
       .evaluate = evaluate_unique},
      {.name = "Where", .infer = infer_where, .evaluate = evaluate_where},
  };
}

}  // namespace tfengine::ops
