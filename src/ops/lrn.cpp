// SPDX-License-Identifier: Apache-2.0
// LRN, local response normalization: x / (bias + alpha * sum of squares of the channels around)^beta.
#include <algorithm>
#include <cmath>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_lrn(const InferContext& context) {
  require_inputs(context, 1);
  has_rank(context, 0, 4);
  return {context.inputs[0]};
}

std::vector<Tensor> evaluate_lrn(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_lrn, node, inputs)[0];
  const Tensor input = as_f32(inputs[0]);
  // The attributes' defaults are TensorFlow's. No channel has more than `channels` neighbours.
  const int64_t channels = type.shape.back();
  const int64_t radius = std::clamp<int64_t>(node.attr_or<int64_t>("depth_radius", 5), 0, channels);
  const double bias = node.attr_or<float>("bias", 1.0f), alpha = node.attr_or<float>("alpha", 1.0f);
  const double beta = node.attr_or<float>("beta", 0.5f);
  Tensor output(DType::F32, type.shape);
  for (int64_t base = 0; base < input.elements(); base += channels) {
    const float* x = input.as<float>() + base;
    for (int64_t c = 0; c < channels; ++c) {
      double squares = 0.0;
      for (int64_t i = std::max<int64_t>(c - radius, 0); i <= std::min(c + radius, channels - 1); ++i) {
        squares += static_cast<double>(x[i]) * x[i];
      }
      output.mutable_as<float>()[base + c] = static_cast<float>(x[c] / std::pow(bias + alpha * squares, beta));
    }
  }
  return {cast_tensor(output, type.dtype)};
}

}  // namespace

std::vector<Op> lrn_ops() { return {{.name = "LRN", .infer = infer_lrn, .evaluate = evaluate_lrn}}; }

}  // namespace tfengine::ops
