// SPDX-License-Identifier: Apache-2.0
// Reshape, Squeeze, ExpandDims: the same elements under another shape.
#include <algorithm>
#include <utility>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

Int8Rule passes() { return {.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll}; }

// The shape that `target` (-1: to be found; kUnknownElement: not known yet) stands for.
Shape resolve(const ir::Node& node, const Shape& in, const Elements& target) {
  Shape out;
  int64_t known = 1;
  int open_axes = 0;
  size_t open_axis = 0;
  bool wildcard = false;
  for (const int64_t dim : target) {
    if (dim == -1 && std::exchange(wildcard, true))
      bad_node(node, "its target shape [{}] has more than one -1", fmt::join(target, ","));
    if (dim < -1 && dim != kUnknownElement)
      bad_node(node, "its target shape [{}] has a negative size", fmt::join(target, ","));
    if (dim < 0) {
      open_axis = out.rank();
      ++open_axes;
    } else if (__builtin_mul_overflow(known, dim, &known)) {
      bad_node(node, "its target shape [{}] is too large", fmt::join(target, ","));
    }
    out.dims().push_back(std::max<int64_t>(dim, -1));
  }
  if (!in.is_static()) return out;
  if (open_axes == 1 && known > 0 && in.elements() % known == 0) out[open_axis] = in.elements() / known;
  if (open_axes == 1 && known == 0 && in.elements() == 0) out[open_axis] = 0;
  if (open_axes <= 1 && out.elements() != in.elements()) {
    bad_node(node, "its input has shape {}, which cannot become [{}]", in.str(), fmt::join(target, ","));
  }
  return out;
}

std::vector<TypeInfo> infer_reshape(const InferContext& context) {
  require_inputs(context, 2);
  const TypeInfo& input = context.inputs[0];
  const auto target = partial_ints(context, 1);
  if (!target) return {{input.dtype, Shape::unknown_rank()}};
  return {{input.dtype, resolve(context.node, input.shape, *target)}};
}

std::vector<TypeInfo> infer_squeeze(const InferContext& context) {
  require_inputs(context, 1);
  const TypeInfo& input = context.inputs[0];
  if (!input.shape.ranked()) return {{input.dtype, Shape::unknown_rank()}};
  std::vector<int64_t> axes = ints_attr(context.node, "squeeze_dims");
  if (axes.empty()) axes = ints_attr(context.node, "axis");
  const size_t rank = input.shape.rank();
  std::vector<bool> drop(rank, false);
  for (const int64_t axis : axes) {
    const size_t a = normalize_axis(context.node, axis, rank);
    if (input.shape[a] > 1 || input.shape[a] == 0) {
      bad_node(context.node, "axis {} of {} is not 1", axis, input.shape.str());
    }
    drop[a] = true;
  }
  Shape out;
  for (size_t a = 0; a < rank; ++a) {
    // Without a list every axis of size 1 goes; an unknown one may be such an axis.
    if (axes.empty() && input.shape[a] < 0) return {{input.dtype, Shape::unknown_rank()}};
    if (axes.empty() ? input.shape[a] != 1 : !drop[a]) out.dims().push_back(input.shape[a]);
  }
  return {{input.dtype, out}};
}

std::vector<TypeInfo> infer_expand_dims(const InferContext& context) {
  require_inputs(context, 2);
  const TypeInfo& input = context.inputs[0];
  if (!input.shape.ranked()) return {{input.dtype, Shape::unknown_rank()}};
  const auto axis = known_int(context, 1);
  if (!axis) return {{input.dtype, unknown_dims(input.shape.rank() + 1)}};
  Shape out = input.shape;
  const size_t a = normalize_axis(context.node, *axis, out.rank() + 1);
  out.dims().insert(out.dims().begin() + static_cast<std::ptrdiff_t>(a), 1);
  return {{input.dtype, out}};
}

template <InferFn infer>
std::vector<Tensor> evaluate_view(const ir::Node& node, std::span<const Tensor> inputs) {
  return {inputs[0].reshaped(infer_exact(infer, node, inputs)[0].shape)};
}

}  // namespace

std::vector<Op> reshape_ops() {
  return {
      {.name = "Reshape",
       .infer = infer_reshape,
       .evaluate = evaluate_view<infer_reshape>,
       .int8 = passes(),
       .moves_elements = true},
      {.name = "Squeeze",
       .infer = infer_squeeze,
       .evaluate = evaluate_view<infer_squeeze>,
       .int8 = passes(),
       .moves_elements = true},
      {.name = "ExpandDims",
       .infer = infer_expand_dims,
       .evaluate = evaluate_view<infer_expand_dims>,
       .int8 = passes(),
       .moves_elements = true},
  };
}

}  // namespace tfengine::ops
