// SPDX-License-Identifier: Apache-2.0
// ArgMax and ArgMin: the index along an axis; the first one among equals.
#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_arg(const InferContext& context) {
  require_inputs(context, 2);
  const DType dtype = context.node.attr_or<DType>("output_type", DType::S64);
  Shape shape = context.inputs[0].shape;
  if (!shape.ranked()) return {{dtype, Shape::unknown_rank()}};
  if (shape.rank() == 0) bad_node(context.node, "its input is a scalar, expected rank 1 or more");
  const auto axis = known_int(context, 1);
  if (!axis) return {{dtype, unknown_dims(shape.rank() - 1)}};
  const size_t along = normalize_axis(context.node, *axis, shape.rank());
  if (shape[along] == 0) bad_node(context.node, "axis {} of {} is empty", *axis, shape.str());
  shape.dims().erase(shape.dims().begin() + static_cast<std::ptrdiff_t>(along));
  return {{dtype, shape}};
}

template <bool kMax>
std::vector<Tensor> evaluate_arg(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_arg, node, inputs)[0];
  const Shape& in = inputs[0].shape();
  const size_t axis = normalize_axis(node, as_ints(inputs[1])[0], in.rank());
  const int64_t size = in[axis], inner = dense_strides(in)[axis];
  std::vector<int64_t> best(static_cast<size_t>(type.shape.elements()));
  visit_dtype(inputs[0].dtype(), [&]<typename T>(T) {
    for (int64_t i = 0; i < type.shape.elements(); ++i) {
      const T* x = inputs[0].as<T>() + i / inner * size * inner + i % inner;
      int64_t& index = best[static_cast<size_t>(i)];
      for (int64_t j = 1; j < size; ++j) {
        if (kMax ? x[j * inner] > x[index * inner] : x[j * inner] < x[index * inner]) index = j;
      }
    }
  });
  return {from_ints(type.dtype, type.shape, best)};
}

}  // namespace

std::vector<Op> arg_reduce_ops() {
  return {
      {.name = "ArgMax", .infer = infer_arg, .evaluate = evaluate_arg<true>},
      {.name = "ArgMin", .infer = infer_arg, .evaluate = evaluate_arg<false>},
  };
}

}  // namespace tfengine::ops
