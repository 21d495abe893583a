// SPDX-License-Identifier: Apache-2.0
// The same elements in another order: Roll, ReverseSequence, InvertPermutation.
#include <algorithm>
#include <cstring>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_roll(const InferContext& context) {
  require_inputs(context, 3);
  const TypeInfo& input = context.inputs[0];
  if (input.shape.ranked() && input.shape.rank() == 0) {
    bad_node(context.node, "its input is a scalar, expected rank 1 or more");
  }
  const auto shifts = partial_ints(context, 1), axes = partial_ints(context, 2);
  if (shifts && axes && shifts->size() != axes->size()) {
    bad_node(context.node, "has {} shifts for {} axes", shifts->size(), axes->size());
  }
  return {input};
}

std::vector<Tensor> evaluate_roll(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_roll, node, inputs);
  const Shape& shape = output.shape();
  if (output.elements() == 0) return {output};
  const std::vector<int64_t> shifts = as_ints(inputs[1]), axes = as_ints(inputs[2]);
  std::vector<int64_t> start(shape.rank(), 0);  // where the first element goes
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = normalize_axis(node, axes[i], shape.rank());
    const int64_t size = shape[axis];
    start[axis] = (start[axis] + shifts[i] % size + size) % size;
  }
  // Along the innermost axis that moves, a row is two pieces; what lies behind it moves as one.
  size_t last = shape.rank();
  while (last > 0 && start[last - 1] == 0) --last;
  if (last == 0) return {inputs[0]};
  const std::vector<int64_t> strides = dense_strides(shape);
  const int64_t size = shape[last - 1], inner = strides[last - 1], split = size - start[last - 1];
  const auto bytes = static_cast<int64_t>(dtype_bytes(output.dtype()));
  const auto* from = inputs[0].as<std::byte>();
  auto* to = output.mutable_as<std::byte>();
  for (int64_t row = 0; row < output.elements() / (size * inner); ++row) {
    int64_t rest = row, target = 0, pitch = size * inner;
    for (size_t axis = last - 1; axis-- > 0;) {
      target += (rest % shape[axis] + start[axis]) % shape[axis] * pitch;
      rest /= shape[axis];
      pitch *= shape[axis];
    }
    const std::byte* source = from + row * size * inner * bytes;
    std::memcpy(to + (target + (size - split) * inner) * bytes, source, static_cast<size_t>(split * inner * bytes));
    std::memcpy(to + target * bytes, source + split * inner * bytes,
                static_cast<size_t>((size - split) * inner * bytes));
  }
  return {output};
}

// Inputs: data and lengths; attributes seq_dim, batch_dim.
std::vector<TypeInfo> infer_reverse_sequence(const InferContext& context) {
  require_inputs(context, 2);
  const TypeInfo& input = context.inputs[0];
  has_rank(context, 1, 1);
  if (!input.shape.ranked()) return {input};
  const size_t along = normalize_axis(context.node, context.node.attr<int64_t>("seq_dim"), input.shape.rank());
  const size_t batch = normalize_axis(context.node, context.node.attr_or<int64_t>("batch_dim", 0), input.shape.rank());
  if (along == batch) bad_node(context.node, "seq_dim and batch_dim are both {}", along);
  if (context.inputs[1].shape.ranked()) {
    merge_dims(context.node, input.shape[batch], context.inputs[1].shape[0], "the number of lengths");
  }
  return {input};
}

std::vector<Tensor> evaluate_reverse_sequence(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_reverse_sequence, node, inputs);
  const Shape& shape = output.shape();
  const size_t along = normalize_axis(node, node.attr<int64_t>("seq_dim"), shape.rank());
  const size_t batch = normalize_axis(node, node.attr_or<int64_t>("batch_dim", 0), shape.rank());
  const std::vector<int64_t> lengths = as_ints(inputs[1]), strides = dense_strides(shape);
  for (const int64_t length : lengths) {
    if (length < 0 || length > shape[along])
      bad_node(node, "length {} is out of range for an axis of size {}", length, shape[along]);
  }
  // Behind the later of the two axes all elements move alike.
  const int64_t run = strides[std::max(along, batch)];
  const size_t bytes = static_cast<size_t>(run) * dtype_bytes(output.dtype());
  for (int64_t at = 0; at < output.elements(); at += run) {
    const int64_t position = at / strides[along] % shape[along];
    const int64_t length = lengths[static_cast<size_t>(at / strides[batch] % shape[batch])];
    const int64_t source = position < length ? at + (length - 1 - 2 * position) * strides[along] : at;
    std::memcpy(output.mutable_as<std::byte>() + static_cast<size_t>(at) * dtype_bytes(output.dtype()),
                inputs[0].as<std::byte>() + static_cast<size_t>(source) * dtype_bytes(output.dtype()), bytes);
  }
  return {output};
}

std::vector<TypeInfo> infer_invert(const InferContext& context) {
  require_inputs(context, 1);
  has_rank(context, 0, 1);
  return {context.inputs[0]};
}

std::vector<Tensor> evaluate_invert(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_invert, node, inputs);
  const std::vector<int64_t> permutation = as_ints(inputs[0]);
  std::vector<int64_t> inverse(permutation.size(), -1);
  for (size_t i = 0; i < permutation.size(); ++i) {
    const int64_t target = permutation[i];
    if (target < 0 || target >= static_cast<int64_t>(inverse.size()) || inverse[static_cast<size_t>(target)] >= 0) {
      bad_node(node, "its input is no permutation of 0 to {}", inverse.size() - 1);
    }
    inverse[static_cast<size_t>(target)] = static_cast<int64_t>(i);
  }
  return {from_ints(inputs[0].dtype(), inputs[0].shape(), inverse)};
}

}  // namespace

std::vector<Op> reorder_ops() {
  const Int8Rule passes{.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll};
  return {
      {.name = "Roll", .infer = infer_roll, .evaluate = evaluate_roll, .int8 = passes, .moves_elements = true},
      {.name = "ReverseSequence",
       .infer = infer_reverse_sequence,
       .evaluate = evaluate_reverse_sequence,
       .int8 = passes},
      {.name = "InvertPermutation", .infer = infer_invert, .evaluate = evaluate_invert},
  };
}

}  // namespace tfengine::ops
