// SPDX-License-Identifier: Apache-2.0
// Rows put at places that indices name: ScatterNd into zeros, TensorScatter* into a tensor. The last axis of the indices
// holds a position along the first axes of the result; places named twice combine, the last one wins for updates.
#include <algorithm>
#include <cstring>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

// The updates have the indices' leading axes, then the result's axes behind those that an index names.
void check_updates(const InferContext& context, const Shape& indices, const Shape& updates, const Shape& out) {
  if (!indices.ranked() || !out.ranked()) return;
  if (indices.rank() == 0) bad_node(context.node, "its indices are a scalar, expected rank 1 or more");
  const int64_t depth = indices.back();
  if (depth < 0) return;
  if (depth > static_cast<int64_t>(out.rank())) {
    bad_node(context.node, "its indices have shape {} for a result of shape {}", indices.str(), out.str());
  }
  Shape expected(std::vector<int64_t>(indices.begin(), indices.end() - 1));
  expected.dims().insert(expected.dims().end(), out.begin() + depth, out.end());
  merge_shapes(context.node, expected, updates);
}

std::vector<TypeInfo> infer_scatter_nd(const InferContext& context) {
  require_inputs(context, 3);
  const DType dtype = context.inputs[1].dtype;
  const auto target = partial_ints(context, 2);
  if (!target) return {{dtype, Shape::unknown_rank()}};
  Shape out;
  for (const int64_t dim : *target) {
    if (dim < 0 && dim != kUnknownElement) bad_node(context.node, "its shape has the negative size {}", dim);
    out.dims().push_back(std::max<int64_t>(dim, -1));
  }
  check_updates(context, context.inputs[0].shape, context.inputs[1].shape, out);
  return {{dtype, out}};
}

std::vector<TypeInfo> infer_tensor_scatter(const InferContext& context) {
  require_inputs(context, 3);
  if (context.inputs[0].dtype != context.inputs[2].dtype && context.inputs[2].dtype != DType::Invalid) {
    bad_node(context.node, "its tensor and updates are {} and {}, expected one type",
             dtype_name(context.inputs[0].dtype), dtype_name(context.inputs[2].dtype));
  }
  check_updates(context, context.inputs[1].shape, context.inputs[2].shape, context.inputs[0].shape);
  return {context.inputs[0]};
}

enum class Combine { Replace, Add, Sub, Max, Min };

template <typename T>
T combined(Combine how, T old, T update) {
  using C = Compute<T>;
  const C a = static_cast<C>(old), b = static_cast<C>(update);
  switch (how) {
    case Combine::Add:
      return convert_number<T>(static_cast<C>(a + b));
    case Combine::Sub:
      return convert_number<T>(static_cast<C>(a - b));
    case Combine::Max:
      return a < b ? update : old;
    case Combine::Min:
      return b < a ? update : old;
    default:
      return update;
  }
}

void scatter(const ir::Node& node, const Tensor& indices, const Tensor& updates, Combine how, Tensor& output) {
  const Shape& out = output.shape();
  const int64_t depth = indices.shape().back();
  const int64_t places =
      depth > 0 ? indices.elements() / depth
                : Shape(std::vector<int64_t>(indices.shape().begin(), indices.shape().end() - 1)).elements();
  const int64_t row = Shape(std::vector<int64_t>(out.begin() + depth, out.end())).elements();
  const std::vector<int64_t> index = as_ints(indices);
  visit_dtype(output.dtype(), [&]<typename T>(T) {
    T* y = output.mutable_as<T>();
    const T* x = updates.as<T>();
    for (int64_t place = 0; place < places; ++place) {
      int64_t target = 0;
      for (int64_t axis = 0; axis < depth; ++axis) {
        const int64_t i = index[static_cast<size_t>(place * depth + axis)], size = out[static_cast<size_t>(axis)];
        if (i < 0 || i >= size) bad_node(node, "index {} is out of range for an axis of size {}", i, size);
        target = target * size + i;
      }
      for (int64_t k = 0; k < row; ++k) {
        y[target * row + k] = combined(how, y[target * row + k], x[place * row + k]);
      }
    }
  });
}

std::vector<Tensor> evaluate_scatter_nd(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_scatter_nd, node, inputs);
  scatter(node, inputs[0], inputs[1], Combine::Add, output);
  return {output};
}

template <Combine kHow>
std::vector<Tensor> evaluate_tensor_scatter(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_tensor_scatter, node, inputs);
  std::memcpy(output.mutable_data(), inputs[0].data(), inputs[0].bytes());
  scatter(node, inputs[1], inputs[2], kHow, output);
  return {output};
}

}  // namespace

std::vector<Op> scatter_ops() {
  const auto into_tensor = [](const char* name, EvaluateFn evaluate) {
    return Op{.name = name, .infer = infer_tensor_scatter, .evaluate = evaluate, .int8 = {.data_inputs = {0, 2}}};
  };
  return {
      {.name = "ScatterNd",
       .infer = infer_scatter_nd,
       .evaluate = evaluate_scatter_nd,
       .int8 = {.data_inputs = {1}, .sign = Sign::NonNegativeIfAll}},
      into_tensor("TensorScatterUpdate", evaluate_tensor_scatter<Combine::Replace>),
      into_tensor("TensorScatterAdd", evaluate_tensor_scatter<Combine::Add>),
      into_tensor("TensorScatterSub", evaluate_tensor_scatter<Combine::Sub>),
      into_tensor("TensorScatterMax", evaluate_tensor_scatter<Combine::Max>),
      into_tensor("TensorScatterMin", evaluate_tensor_scatter<Combine::Min>),
  };
}

}  // namespace tfengine::ops
