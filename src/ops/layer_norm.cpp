// SPDX-License-Identifier: Apache-2.0
// LayerNorm, ours: (x - mean) / sqrt(variance + epsilon) * gamma + beta over the last axis.
#include <cmath>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_layer_norm(const InferContext& context) {
  require_inputs(context, 3);
  TypeInfo type = context.inputs[0];
  if (!type.shape.ranked()) return {type};
  if (type.shape.rank() == 0) bad_node(context.node, "its input is a scalar, expected rank 1 or more");
  int64_t& width = type.shape[type.shape.rank() - 1];
  for (const size_t i : {1, 2}) {
    if (has_rank(context, i, 1)) width = merge_dims(context.node, width, context.inputs[i].shape[0], "a vector's size");
  }
  return {type};
}

std::vector<Tensor> evaluate_layer_norm(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_layer_norm, node, inputs)[0];
  const Tensor input = as_f32(inputs[0]), gamma = as_f32(inputs[1]), beta = as_f32(inputs[2]);
  const double epsilon = node.attr<float>("epsilon");
  const int64_t width = type.shape.back();
  Tensor output(DType::F32, type.shape);
  for (int64_t base = 0; base < input.elements(); base += width) {
    const float* x = input.as<float>() + base;
    double mean = 0.0, variance = 0.0;
    for (int64_t i = 0; i < width; ++i) mean += x[i];
    mean /= static_cast<double>(width);
    for (int64_t i = 0; i < width; ++i) variance += (x[i] - mean) * (x[i] - mean);
    const double factor = 1.0 / std::sqrt(variance / static_cast<double>(width) + epsilon);
    for (int64_t i = 0; i < width; ++i) {
      output.mutable_as<float>()[base + i] =
          static_cast<float>((x[i] - mean) * factor * gamma.as<float>()[i] + beta.as<float>()[i]);
    }
  }
  return {cast_tensor(output, type.dtype)};
}

}  // namespace

std::vector<Op> layer_norm_ops() {
  return {{.name = "LayerNorm", .infer = infer_layer_norm, .evaluate = evaluate_layer_norm}};
}

}  // namespace tfengine::ops
