// SPDX-License-Identifier: Apache-2.0
// Transpose and ReverseV2: the same elements met in another order.
#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

std::vector<size_t> permutation(const ir::Node& node, const Elements& perm, size_t rank) {
  if (perm.size() != rank) bad_node(node, "'perm' has {} entries, expected {}", perm.size(), rank);
  std::vector<size_t> axes;
  std::vector<bool> seen(rank, false);
  for (const int64_t entry : perm) {
    const size_t axis = normalize_axis(node, entry, rank);
    if (seen[axis]) bad_node(node, "'perm' is [{}], expected each axis once", fmt::join(perm, ","));
    seen[axis] = true;
    axes.push_back(axis);
  }
  return axes;
}

std::vector<TypeInfo> infer_transpose(const InferContext& context) {
  require_inputs(context, 2);
  const TypeInfo& input = context.inputs[0];
  const auto perm = known_ints(context, 1);
  if (!perm) return {{input.dtype, input.shape.ranked() ? unknown_dims(input.shape.rank()) : Shape::unknown_rank()}};
  if (!input.shape.ranked()) return {{input.dtype, unknown_dims(perm->size())}};
  Shape out;
  for (const size_t axis : permutation(context.node, *perm, input.shape.rank()))
    out.dims().push_back(input.shape[axis]);
  return {{input.dtype, out}};
}

std::vector<Tensor> evaluate_transpose(const ir::Node& node, std::span<const Tensor> inputs) {
  const Shape out = infer_exact(infer_transpose, node, inputs)[0].shape;
  const std::vector<int64_t> strides = dense_strides(inputs[0].shape());
  Walk walk;
  for (const size_t axis : permutation(node, as_ints(inputs[1]), out.rank())) walk.strides.push_back(strides[axis]);
  return {take_strided(inputs[0], walk, out)};
}

std::vector<TypeInfo> infer_reverse(const InferContext& context) {
  require_inputs(context, 2);
  const auto axes = known_ints(context, 1);
  const Shape& shape = context.inputs[0].shape;
  if (axes && shape.ranked()) {
    for (const int64_t axis : *axes) normalize_axis(context.node, axis, shape.rank());
  }
  return {context.inputs[0]};
}

std::vector<Tensor> evaluate_reverse(const ir::Node& node, std::span<const Tensor> inputs) {
  const Shape out = infer_exact(infer_reverse, node, inputs)[0].shape;
  if (out.elements() == 0) return {inputs[0]};
  Walk walk{0, dense_strides(out)};
  for (const int64_t entry : as_ints(inputs[1])) {
    const size_t axis = normalize_axis(node, entry, out.rank());
    if (walk.strides[axis] < 0) bad_node(node, "axis {} is given twice", entry);
    walk.offset += (out[axis] - 1) * walk.strides[axis];
    walk.strides[axis] = -walk.strides[axis];
  }
  return {take_strided(inputs[0], walk, out)};
}

}  // namespace

std::vector<Op> transpose_ops() {
  const Int8Rule passes{.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll};
  return {
      {.name = "Transpose",
       .infer = infer_transpose,
       .evaluate = evaluate_transpose,
       .int8 = passes,
       .moves_elements = true},
      {.name = "ReverseV2",
       .infer = infer_reverse,
       .evaluate = evaluate_reverse,
       .int8 = passes,
       .moves_elements = true},
  };
}

}  // namespace tfengine::ops
