// SPDX-License-Identifier: Apache-2.0
// Per-channel arithmetic on the last axis: batch normalization at inference, its folded form, and BiasAdd.
#include <cmath>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

// The data's channel count merged with those of `count` vectors behind it.
int64_t merged_channels(const InferContext& context, size_t count) {
  const Shape& data = context.inputs[0].shape;
  if (data.ranked() && data.rank() == 0) bad_node(context.node, "input 0 is a scalar, expected a channel axis");
  int64_t channels = data.ranked() ? data.back() : -1;
  for (size_t i = 1; i <= count; ++i) {
    if (has_rank(context, i, 1)) {
      channels = merge_dims(context.node, channels, context.inputs[i].shape[0], "a per-channel vector's size");
    }
  }
  return channels;
}

TypeInfo data_type(const InferContext& context, int64_t channels) {
  TypeInfo type = context.inputs[0];
  if (type.shape.ranked()) type.shape[type.shape.rank() - 1] = channels;
  return type;
}

std::vector<TypeInfo> infer_batch_norm(const InferContext& context) {
  require_inputs(context, 5);
  require_nhwc(context.node);
  if (context.node.attr_or<bool>("is_training", true)) {
    bad_node(context.node, "is_training is true, expected a graph exported for inference");
  }
  has_rank(context, 0, 4);
  const int64_t channels = merged_channels(context, 4);
  const TypeInfo statistics{DType::F32, {channels}};
  return {data_type(context, channels), statistics, statistics, statistics, statistics, statistics};
}

std::vector<TypeInfo> infer_affine(const InferContext& context) {
  require_inputs(context, 3);
  return {data_type(context, merged_channels(context, 2))};
}

std::vector<TypeInfo> infer_bias_add(const InferContext& context) {
  require_inputs(context, 2);
  require_nhwc(context.node);
  return {data_type(context, merged_channels(context, 1))};
}

// y = f(x, channel) over the last axis.
template <typename F>
Tensor per_channel(const Tensor& data, int64_t channels, F&& f) {
  const Tensor input = as_f32(data);
  Tensor output(DType::F32, input.shape());
  const float* x = input.as<float>();
  float* y = output.mutable_as<float>();
  const int64_t count = input.elements();
  for (int64_t base = 0; base < count; base += channels) {
    for (int64_t c = 0; c < channels; ++c) y[base + c] = f(x[base + c], c);
  }
  return cast_tensor(output, data.dtype());
}

std::vector<Tensor> evaluate_batch_norm(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_batch_norm, node, inputs);
  // TensorFlow's default for the attribute.
  const float epsilon = node.attr_or<float>("epsilon", 1e-4f);
  const Tensor scale = as_f32(inputs[1]), offset = as_f32(inputs[2]);
  const Tensor mean = as_f32(inputs[3]), variance = as_f32(inputs[4]);
  const int64_t channels = scale.elements();
  std::vector<double> factors(static_cast<size_t>(channels));
  for (int64_t c = 0; c < channels; ++c) {
    factors[static_cast<size_t>(c)] =
        scale.as<float>()[c] / std::sqrt(static_cast<double>(variance.as<float>()[c]) + epsilon);
  }
  Tensor output = per_channel(inputs[0], channels, [&](float x, int64_t c) {
    const double centred = static_cast<double>(x) - mean.as<float>()[c];
    return static_cast<float>(centred * factors[static_cast<size_t>(c)] + offset.as<float>()[c]);
  });
  return {output, mean, variance, mean, variance, variance};
}

std::vector<Tensor> evaluate_affine(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_affine, node, inputs);
  const Tensor scale = as_f32(inputs[1]), offset = as_f32(inputs[2]);
  return {per_channel(inputs[0], scale.elements(), [&](float x, int64_t c) {
    return static_cast<float>(static_cast<double>(x) * scale.as<float>()[c] + offset.as<float>()[c]);
  })};
}

std::vector<Tensor> evaluate_bias_add(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_bias_add, node, inputs);
  const Tensor bias = as_f32(inputs[1]);
  return {per_channel(inputs[0], bias.elements(), [&](float x, int64_t c) { return x + bias.as<float>()[c]; })};
}

}  // namespace

std::vector<Op> batch_norm_ops() {
  return {
      {.name = "FusedBatchNormV3",
       .aliases = {"FusedBatchNorm", "FusedBatchNormV2"},
       .infer = infer_batch_norm,
       .evaluate = evaluate_batch_norm},
      // Ours: x * scale + offset.
      {.name = "BatchNormAffine",
       .infer = infer_affine,
       .evaluate = evaluate_affine,
       .int8 = {.kind = Int8Kind::Elementwise}},
      {.name = "BiasAdd", .aliases = {"BiasAddV1"}, .infer = infer_bias_add, .evaluate = evaluate_bias_add},
  };
}

}  // namespace tfengine::ops
