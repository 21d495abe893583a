// SPDX-License-Identifier: Apache-2.0
// Between real numbers and INT8: how values are encoded, and the ops Quantize, Dequantize and Requantize, which are
// the identity on real numbers: what they change is the Quant of the value behind them.
#include <algorithm>
#include <cmath>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

// Element i has the scale at (i / inner) % count.
struct ScaleWalk {
  int64_t inner = 1;
  int64_t count = 1;
};

ScaleWalk scale_walk(const Shape& shape, const ir::Quant& quant) {
  ScaleWalk walk{1, static_cast<int64_t>(quant.scales.size())};
  check(walk.count > 0, "a quantized tensor of shape {} has no scale", shape.str());
  if (quant.axis < 0) {
    check(walk.count == 1, "{} scales without an axis for shape {}", walk.count, shape.str());
    return walk;
  }
  int64_t covered = 1;
  auto axis = static_cast<size_t>(quant.axis);
  check(axis < shape.rank(), "scales along axis {} of shape {}", axis, shape.str());
  do covered *= shape[axis++];
  while (covered < walk.count && axis < shape.rank());
  check(covered == walk.count, "{} scales along axis {} of shape {}", walk.count, quant.axis, shape.str());
  for (; axis < shape.rank(); ++axis) walk.inner *= shape[axis];
  return walk;
}

}  // namespace

Tensor quantize_tensor(const Tensor& real, DType dtype, const ir::Quant& quant) {
  const ScaleWalk walk = scale_walk(real.shape(), quant);
  const Tensor source = as_f32(real);
  Tensor result(dtype, real.shape());
  const float* x = source.as<float>();
  visit_dtype(dtype, [&]<typename T>(T) {
    T* q = result.mutable_as<T>();
    for (int64_t i = 0; i < source.elements(); ++i) {
      const float scale = quant.scales[static_cast<size_t>(i / walk.inner % walk.count)];
      // nearbyint rounds half to even in the default rounding mode.
      const float steps = scale > 0.0f ? std::nearbyint(x[i] / scale) : 0.0f;
      q[i] = convert_number<T>(steps + static_cast<float>(quant.zero_point));
    }
  });
  return result;
}

Tensor dequantize_tensor(const Tensor& integers, const ir::Quant& quant) {
  const ScaleWalk walk = scale_walk(integers.shape(), quant);
  Tensor result(DType::F32, integers.shape());
  float* x = result.mutable_as<float>();
  visit_dtype(integers.dtype(), [&]<typename T>(T) {
    const T* q = integers.as<T>();
    for (int64_t i = 0; i < integers.elements(); ++i) {
      const double scale = quant.scales[static_cast<size_t>(i / walk.inner % walk.count)];
      x[i] = static_cast<float>(scale * (static_cast<double>(q[i]) - quant.zero_point));
    }
  });
  return result;
}

namespace {

std::vector<TypeInfo> infer_real(const InferContext& context) {
  require_inputs(context, 1);
  return {{DType::F32, context.inputs[0].shape}};
}

std::vector<Tensor> evaluate_real(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_real, node, inputs);
  return {as_f32(inputs[0])};
}

}  // namespace

std::vector<Op> quantize_ops() {
  std::vector<Op> ops;
  for (const char* name : {"Quantize", "Dequantize", "Requantize"}) {
    ops.push_back({.name = name,
                   .infer = infer_real,
                   .evaluate = evaluate_real,
                   .int8 = {.sign = Sign::NonNegativeIfAll},
                   .elementwise = true,
                   .folds = false});
  }
  return ops;
}

}  // namespace tfengine::ops
