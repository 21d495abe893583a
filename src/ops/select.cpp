// SPDX-License-Identifier: Apache-2.0
// Choosing among values element by element: SelectV2 (broadcasting), Select (its predecessor), ClipByValue.
#include <algorithm>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

void require_bool(const InferContext& context) {
  const DType dtype = context.inputs[0].dtype;
  if (dtype != DType::Bool && dtype != DType::Invalid) {
    bad_node(context.node, "its condition is {}, expected bool", dtype_name(dtype));
  }
}

void require_one_type(const InferContext& context, size_t a, size_t b) {
  const DType left = context.inputs[a].dtype, right = context.inputs[b].dtype;
  if (left != right && left != DType::Invalid && right != DType::Invalid) {
    bad_node(context.node, "its inputs are {} and {}, expected one type", dtype_name(left), dtype_name(right));
  }
}

std::vector<TypeInfo> infer_select_v2(const InferContext& context) {
  require_inputs(context, 3);
  require_bool(context);
  require_one_type(context, 1, 2);
  const Shape values = broadcast_shapes(context.node, context.inputs[1].shape, context.inputs[2].shape);
  return {{context.inputs[1].dtype, broadcast_shapes(context.node, context.inputs[0].shape, values)}};
}

// The condition has the values' shape, is a scalar, or has one element per row of them.
std::vector<TypeInfo> infer_select(const InferContext& context) {
  require_inputs(context, 3);
  require_bool(context);
  require_one_type(context, 1, 2);
  Shape values = merge_shapes(context.node, context.inputs[1].shape, context.inputs[2].shape);
  const Shape& condition = context.inputs[0].shape;
  if (condition.ranked() && values.ranked()) {
    if (condition.rank() == 1 && values.rank() > 1) {
      values[0] = merge_dims(context.node, values[0], condition[0], "the condition's size");
    } else if (condition.rank() > 0) {
      values = merge_shapes(context.node, values, condition);
    }
  }
  return {{context.inputs[1].dtype, values}};
}

void choose(const Tensor& condition, const std::vector<int64_t>& condition_strides, const Tensor& yes, const Tensor& no,
            Tensor& output) {
  const Shape& out = output.shape();
  visit_dtype(output.dtype(), [&]<typename T>(T) {
    T* y = output.mutable_as<T>();
    walk_rows<3>(out, {condition_strides, broadcast_strides(yes.shape(), out), broadcast_strides(no.shape(), out)},
                 [&](const auto& offset, const auto& step, int64_t count) {
                   for (int64_t i = 0; i < count; ++i) {
                     const bool first = condition.as<bool>()[offset[0] + i * step[0]];
                     *y++ = first ? yes.as<T>()[offset[1] + i * step[1]] : no.as<T>()[offset[2] + i * step[2]];
                   }
                 });
  });
}

std::vector<Tensor> evaluate_select_v2(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_select_v2, node, inputs);
  choose(inputs[0], broadcast_strides(inputs[0].shape(), output.shape()), inputs[1], inputs[2], output);
  return {output};
}

std::vector<Tensor> evaluate_select(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_select, node, inputs);
  Shape condition = inputs[0].shape();
  if (condition.rank() == 1) condition.dims().resize(output.shape().rank(), 1);
  choose(inputs[0], broadcast_strides(condition, output.shape()), inputs[1], inputs[2], output);
  return {output};
}

std::vector<TypeInfo> infer_clip(const InferContext& context) {
  require_inputs(context, 3);
  require_one_type(context, 0, 1);
  require_one_type(context, 0, 2);
  const Shape limits = broadcast_shapes(context.node, context.inputs[1].shape, context.inputs[2].shape);
  return {{context.inputs[0].dtype, broadcast_shapes(context.node, context.inputs[0].shape, limits)}};
}

std::vector<Tensor> evaluate_clip(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_clip, node, inputs);
  const Shape& out = output.shape();
  const auto strides = [&](size_t i) { return broadcast_strides(inputs[i].shape(), out); };
  visit_dtype(output.dtype(), [&]<typename T>(T) {
    T* y = output.mutable_as<T>();
    walk_rows<3>(out, {strides(0), strides(1), strides(2)}, [&](const auto& offset, const auto& step, int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        const T x = inputs[0].as<T>()[offset[0] + i * step[0]];
        const T low = inputs[1].as<T>()[offset[1] + i * step[1]], high = inputs[2].as<T>()[offset[2] + i * step[2]];
        const T raised = x < low ? low : x;
        *y++ = high < raised ? high : raised;
      }
    });
  });
  return {output};
}

}  // namespace

std::vector<Op> select_ops() {
  const Int8Rule rule{.data_inputs = {1, 2}, .sign = Sign::NonNegativeIfAll};
  return {
      {.name = "SelectV2", .infer = infer_select_v2, .evaluate = evaluate_select_v2, .int8 = rule, .elementwise = true},
      {.name = "Select", .infer = infer_select, .evaluate = evaluate_select, .int8 = rule},
      {.name = "ClipByValue", .infer = infer_clip, .evaluate = evaluate_clip, .elementwise = true},
  };
}

}  // namespace tfengine::ops
