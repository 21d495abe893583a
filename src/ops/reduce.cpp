// SPDX-License-Identifier: Apache-2.0
// Reductions over axes given by input 1: Mean, Sum, Prod, Max, Min, All, Any. Floating point accumulates in double.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

std::vector<bool> reduced_axes(const ir::Node& node, const Elements& axes, size_t rank) {
  std::vector<bool> reduced(rank, false);
  for (const int64_t axis : axes) {
    const size_t a = normalize_axis(node, axis, rank);
    if (reduced[a]) bad_node(node, "axis {} is given twice", axis);
    reduced[a] = true;
  }
  return reduced;
}

Shape reduced_shape(const Shape& in, const std::vector<bool>& reduced, bool keep_dims) {
  Shape out;
  for (size_t axis = 0; axis < in.rank(); ++axis) {
    if (!reduced[axis])
      out.dims().push_back(in[axis]);
    else if (keep_dims)
      out.dims().push_back(1);
  }
  return out;
}

std::vector<TypeInfo> infer_reduce(const InferContext& context) {
  require_inputs(context, 2);
  const TypeInfo& input = context.inputs[0];
  const bool keep_dims = context.node.attr_or<bool>("keep_dims", false);
  if (!input.shape.ranked()) return {{input.dtype, Shape::unknown_rank()}};
  const auto axes = known_ints(context, 1);
  if (!axes) return {{input.dtype, keep_dims ? unknown_dims(input.shape.rank()) : Shape::unknown_rank()}};
  const auto reduced = reduced_axes(context.node, *axes, input.shape.rank());
  return {{input.dtype, reduced_shape(input.shape, reduced, keep_dims)}};
}

struct Sum {
  template <typename W>
  static W start() {
    return 0;
  }
  template <typename W>
  static W add(W a, W b) {
    return wrapping_sum(a, b);
  }
  template <typename W>
  static W finish(W sum, int64_t) {
    return sum;
  }
};

struct Mean : Sum {
  template <typename W>
  static W finish(W sum, int64_t count) {
    if constexpr (std::is_integral_v<W>)
      return count > 0 ? sum / count : 0;
    else
      return sum / static_cast<W>(count);
  }
};

struct Prod : Sum {
  template <typename W>
  static W start() {
    return 1;
  }
  template <typename W>
  static W add(W a, W b) {
    return wrapping_product(a, b);
  }
};

struct Max : Sum {
  template <typename W>
  static W start() {
    return std::is_integral_v<W> ? std::numeric_limits<W>::lowest() : -std::numeric_limits<W>::infinity();
  }
  template <typename W>
  static W add(W a, W b) {
    return std::max(a, b);
  }
};

struct Min : Sum {
  template <typename W>
  static W start() {
    return std::is_integral_v<W> ? std::numeric_limits<W>::max() : std::numeric_limits<W>::infinity();
  }
  template <typename W>
  static W add(W a, W b) {
    return std::min(a, b);
  }
};

struct EuclideanNorm : Sum {
  template <typename W>
  static W add(W a, W b) {
    return Sum::add(a, static_cast<W>(b * b));
  }
  template <typename W>
  static W finish(W sum, int64_t) {
    return static_cast<W>(std::sqrt(static_cast<double>(sum)));
  }
};

struct All : Prod {};
struct Any : Max {
  template <typename W>
  static W start() {
    return 0;
  }
};

template <typename Rule>
std::vector<Tensor> evaluate_reduce(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_reduce, node, inputs);
  const Tensor& input = inputs[0];
  const auto reduced = reduced_axes(node, as_ints(inputs[1]), input.shape().rank());
  const Shape kept = reduced_shape(input.shape(), reduced, true);
  const int64_t out_count = output.elements();
  const int64_t per_output = out_count > 0 ? input.elements() / out_count : 0;
  visit_dtype(input.dtype(), [&]<typename T>(T) {
    using W = std::conditional_t<std::is_same_v<Compute<T>, int64_t>, int64_t, double>;
    std::vector<W> totals(static_cast<size_t>(out_count), Rule::template start<W>());
    const T* x = input.as<T>();
    walk_rows<1>(input.shape(), {broadcast_strides(kept, input.shape())},
                 [&](const auto& offset, const auto& step, int64_t count) {
                   W* total = totals.data() + offset[0];
                   for (int64_t i = 0; i < count; ++i, total += step[0])
                     *total = Rule::add(*total, static_cast<W>(*x++));
                 });
    T* y = output.mutable_as<T>();
    for (const W total : totals) *y++ = convert_number<T>(Rule::finish(total, per_output));
  });
  return {output};
}

// Half of the sum of squares of all elements.
std::vector<TypeInfo> infer_l2_loss(const InferContext& context) {
  require_inputs(context, 1);
  return {{context.inputs[0].dtype, Shape{}}};
}

std::vector<Tensor> evaluate_l2_loss(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_l2_loss, node, inputs);
  double sum = 0.0;
  visit_dtype(inputs[0].dtype(), [&]<typename T>(T) {
    const T* x = inputs[0].as<T>();
    for (int64_t i = 0; i < inputs[0].elements(); ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  });
  return {cast_tensor(Tensor::of<double>(DType::F64, {}, {sum / 2}), inputs[0].dtype())};
}

}  // namespace

std::vector<Op> reduce_ops() {
  const auto rule = [](Int8Kind kind) { return Int8Rule{.kind = kind, .sign = Sign::NonNegativeIfAll}; };
  return {
      {.name = "Mean", .infer = infer_reduce, .evaluate = evaluate_reduce<Mean>, .int8 = rule(Int8Kind::Average)},
      {.name = "Sum",
       .infer = infer_reduce,
       .evaluate = evaluate_reduce<Sum>,
       .int8 = rule(Int8Kind::Float),
       .moves_elements = true},
      {.name = "Prod",
       .infer = infer_reduce,
       .evaluate = evaluate_reduce<Prod>,
       .int8 = rule(Int8Kind::Float),
       .moves_elements = true},
      {.name = "Max", .infer = infer_reduce, .evaluate = evaluate_reduce<Max>, .int8 = rule(Int8Kind::Float)},
      {.name = "Min", .infer = infer_reduce, .evaluate = evaluate_reduce<Min>, .int8 = rule(Int8Kind::Float)},
      {.name = "EuclideanNorm",
       .infer = infer_reduce,
       .evaluate = evaluate_reduce<EuclideanNorm>,
       .int8 = {.sign = Sign::NonNegative}},
      {.name = "L2Loss", .infer = infer_l2_loss, .evaluate = evaluate_l2_loss, .int8 = {.sign = Sign::NonNegative}},
      {.name = "All", .infer = infer_reduce, .evaluate = evaluate_reduce<All>},
      {.name = "Any", .infer = infer_reduce, .evaluate = evaluate_reduce<Any>},
  };
}

}  // namespace tfengine::ops
