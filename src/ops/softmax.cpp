// SPDX-License-Identifier: Apache-2.0
// Softmax and LogSoftmax over the last axis.
#include <algorithm>
#include <cmath>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_softmax(const InferContext& context) {
  require_inputs(context, 1);
  const Shape& shape = context.inputs[0].shape;
  if (shape.ranked() && shape.rank() == 0) bad_node(context.node, "its input is a scalar, expected rank 1 or more");
  return {context.inputs[0]};
}

template <bool kLog>
std::vector<Tensor> evaluate_softmax(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_softmax, node, inputs)[0];
  const Tensor input = as_f32(inputs[0]);
  Tensor output(DType::F32, type.shape);
  const int64_t classes = type.shape.back();
  const float* x = input.as<float>();
  float* y = output.mutable_as<float>();
  for (int64_t base = 0; base < input.elements(); base += classes) {
    const double top = *std::max_element(x + base, x + base + classes);
    double sum = 0.0;
    for (int64_t i = base; i < base + classes; ++i) sum += std::exp(x[i] - top);
    for (int64_t i = base; i < base + classes; ++i) {
      y[i] = static_cast<float>(kLog ? x[i] - top - std::log(sum) : std::exp(x[i] - top) / sum);
    }
  }
  return {cast_tensor(output, type.dtype)};
}

}  // namespace

std::vector<Op> softmax_ops() {
  return {
      {.name = "Softmax",
       .infer = infer_softmax,
       .evaluate = evaluate_softmax<false>,
       .int8 = {.sign = Sign::NonNegative, .fixed_max_abs = 1.0f}},
      {.name = "LogSoftmax", .infer = infer_softmax, .evaluate = evaluate_softmax<true>},
  };
}

}  // namespace tfengine::ops
