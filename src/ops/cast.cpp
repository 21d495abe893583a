// SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_cast(const InferContext& context) {
  require_inputs(context, 1);
  return {{context.node.attr<DType>("DstT"), context.inputs[0].shape}};
}

std::vector<Tensor> evaluate_cast(const ir::Node& node, std::span<const Tensor> inputs) {
  return {cast_tensor(inputs[0], infer_exact(infer_cast, node, inputs)[0].dtype)};
}

}  // namespace

std::vector<Op> cast_ops() {
  return {{.name = "Cast",
           .infer = infer_cast,
           .evaluate = evaluate_cast,
           .int8 = {.sign = Sign::NonNegativeIfAll},
           .elementwise = true,
           .moves_elements = true}};
}

}  // namespace tfengine::ops
