// SPDX-License-Identifier: Apache-2.0
// Slice and StridedSlice with all of its masks.
#include <algorithm>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

// One axis of the result, or of the input where the axis is dropped.
struct AxisSlice {
  bool is_new = false;      // an axis of size 1 with no counterpart in the input
  bool is_dropped = false;  // an input axis indexed by one number
  int64_t begin = 0, stride = 1, size = -1;
};

struct Masks {
  int64_t begin, end, ellipsis, new_axis, shrink;
};

Masks masks_of(const ir::Node& node) {
  const auto mask = [&](const char* key) { return node.attr_or<int64_t>(key, 0); };
  return {mask("begin_mask"), mask("end_mask"), mask("ellipsis_mask"), mask("new_axis_mask"), mask("shrink_axis_mask")};
}

// begin, end, stride of one axis of size `dim` (-1: unknown) by TensorFlow's ValidateStridedSliceOp.
AxisSlice slice_axis(const ir::Node& node, int64_t dim, int64_t begin, int64_t end, int64_t stride, bool begin_masked,
                     bool end_masked, bool shrink) {
  if (stride == 0 || stride == kUnknownElement)
    bad_node(node, "a stride is {}, expected another number than 0", stride == 0 ? "0" : "unknown");
  if (shrink) {
    if (stride != 1) bad_node(node, "a dropped axis has stride {}, expected 1", stride);
    if (dim < 0) return {.is_dropped = true, .begin = begin};
    const int64_t index = begin_masked ? 0 : begin < 0 ? begin + dim : begin;
    if (index < 0 || index >= dim) bad_node(node, "index {} is out of range for an axis of size {}", begin, dim);
    return {.is_dropped = true, .begin = index, .stride = 1, .size = 1};
  }
  if (dim < 0) return {.begin = begin, .stride = stride};
  const int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? dim : dim - 1;
  const auto place = [&](int64_t index) {
    return std::clamp(index < 0 ? std::max(index, -dim - 1) + dim : index, low, high);
  };
  const int64_t from = begin_masked ? (stride > 0 ? low : high) : place(begin);
  const int64_t to = end_masked ? (stride > 0 ? high : low) : place(end);
  const int64_t length = stride > 0 ? to - from : from - to;
  const auto step = static_cast<int64_t>(std::min<uint64_t>(
      stride > 0 ? static_cast<uint64_t>(stride) : 0 - static_cast<uint64_t>(stride), uint64_t{1} << 62));
  return {.begin = from, .stride = stride, .size = length <= 0 ? 0 : (length - 1) / step + 1};
}

// The specification with the ellipsis expanded: one entry per input axis, plus new axes. nullopt: not known.
std::optional<std::vector<AxisSlice>> parse(const InferContext& context) {
  const auto begin = partial_ints(context, 1), end = partial_ints(context, 2), strides = partial_ints(context, 3);
  const Shape& in = context.inputs[0].shape;
  if (!begin || !end || !strides || !in.ranked()) return std::nullopt;
  const size_t entries = begin->size();
  if (end->size() != entries || strides->size() != entries || entries > 32) {
    bad_node(context.node, "begin, end and strides have {}, {} and {} elements, expected equal numbers up to 32",
             entries, end->size(), strides->size());
  }
  const Masks masks = masks_of(context.node);
  const auto bit = [](int64_t mask, size_t i) { return ((mask >> i) & 1) != 0; };
  size_t consumed = 0;
  for (size_t i = 0; i < entries; ++i) consumed += !bit(masks.ellipsis, i) && !bit(masks.new_axis, i);
  if (consumed > in.rank()) bad_node(context.node, "slices {} axes of an input of shape {}", consumed, in.str());
  size_t rest = in.rank() - consumed;  // axes that the ellipsis stands for
  std::vector<AxisSlice> slices;
  size_t axis = 0;
  const auto keep = [&] { slices.push_back({.size = in[axis++]}); };
  for (size_t i = 0; i < entries; ++i) {
    if (bit(masks.ellipsis, i)) {
      for (; rest > 0; --rest) keep();
    } else if (bit(masks.new_axis, i)) {
      slices.push_back({.is_new = true, .size = 1});
    } else {
      const int64_t dim = in[axis++];
      const bool begin_masked = bit(masks.begin, i), end_masked = bit(masks.end, i), shrink = bit(masks.shrink, i);
      const bool unknown =
          (!begin_masked && (*begin)[i] == kUnknownElement) || (!end_masked && !shrink && (*end)[i] == kUnknownElement);
      slices.push_back(slice_axis(context.node, unknown ? -1 : dim, (*begin)[i], (*end)[i], (*strides)[i], begin_masked,
                                  end_masked, shrink));
    }
  }
  for (; rest > 0; --rest) keep();
  return slices;
}

std::vector<TypeInfo> infer_strided_slice(const InferContext& context) {
  require_inputs(context, 4);
  const auto slices = parse(context);
  if (!slices) return {{context.inputs[0].dtype, Shape::unknown_rank()}};
  Shape out;
  for (const AxisSlice& slice : *slices) {
    if (!slice.is_dropped) out.dims().push_back(slice.size);
  }
  return {{context.inputs[0].dtype, out}};
}

std::vector<Tensor> evaluate_strided_slice(const ir::Node& node, std::span<const Tensor> inputs) {
  const Shape out = infer_exact(infer_strided_slice, node, inputs)[0].shape;
  const std::vector<TypeInfo> types = {{inputs[0].dtype(), inputs[0].shape()},
                                       {inputs[1].dtype(), inputs[1].shape()},
                                       {inputs[2].dtype(), inputs[2].shape()},
                                       {inputs[3].dtype(), inputs[3].shape()}};
  const std::vector<AxisSlice> slices = *parse({node, types, inputs});
  const std::vector<int64_t> strides = dense_strides(inputs[0].shape());
  Walk walk;
  size_t axis = 0;
  for (const AxisSlice& slice : slices) {
    if (slice.is_new) {
      walk.strides.push_back(0);
      continue;
    }
    const int64_t stride = strides[axis++];
    if (slice.size > 0) walk.offset += slice.begin * stride;
    // With one element the stride is never walked and may be any number.
    if (!slice.is_dropped) walk.strides.push_back(slice.size > 1 ? slice.stride * stride : 0);
  }
  return {take_strided(inputs[0], walk, out)};
}

std::vector<TypeInfo> infer_slice(const InferContext& context) {
  require_inputs(context, 3);
  const TypeInfo& input = context.inputs[0];
  const auto begin = partial_ints(context, 1), size = partial_ints(context, 2);
  if (!size) return {{input.dtype, input.shape.ranked() ? unknown_dims(input.shape.rank()) : Shape::unknown_rank()}};
  const size_t rank = size->size();
  if ((input.shape.ranked() && input.shape.rank() != rank) || (begin && begin->size() != rank)) {
    bad_node(context.node, "has {} sizes for an input of shape {}", rank, input.shape.str());
  }
  Shape out = unknown_dims(rank);
  for (size_t axis = 0; axis < rank; ++axis) {
    const int64_t dim = input.shape.ranked() ? input.shape[axis] : -1;
    const int64_t start = begin ? (*begin)[axis] : kUnknownElement;
    const int64_t wanted = (*size)[axis];
    if (wanted >= 0)
      out[axis] = wanted;
    else if (wanted == -1 && dim >= 0 && start != kUnknownElement)
      out[axis] = dim - start;
    if (dim < 0 || start == kUnknownElement || wanted == kUnknownElement) continue;
    if (start < 0 || start > dim || out[axis] < 0 || out[axis] > dim - start) {
      bad_node(context.node, "begin {} and size {} do not fit axis {} of {}", start, wanted, axis, input.shape.str());
    }
  }
  return {{input.dtype, out}};
}

std::vector<Tensor> evaluate_slice(const ir::Node& node, std::span<const Tensor> inputs) {
  const Shape out = infer_exact(infer_slice, node, inputs)[0].shape;
  Walk walk{0, dense_strides(inputs[0].shape())};
  const std::vector<int64_t> begin = as_ints(inputs[1]);
  for (size_t axis = 0; axis < begin.size(); ++axis) walk.offset += begin[axis] * walk.strides[axis];
  return {take_strided(inputs[0], walk, out)};
}

}  // namespace

std::vector<Op> slice_ops() {
  const Int8Rule passes{.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll};
  return {
      {.name = "StridedSlice",
       .infer = infer_strided_slice,
       .evaluate = evaluate_strided_slice,
       .int8 = passes,
       .moves_elements = true},
      {.name = "Slice", .infer = infer_slice, .evaluate = evaluate_slice, .int8 = passes, .moves_elements = true},
  };
}

}  // namespace tfengine::ops
