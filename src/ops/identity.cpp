// SPDX-License-Identifier: Apache-2.0
// Ops that hand their inputs on: at inference all of them are the identity.
#include "ops/families.h"
#include "ops/infer_util.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_all(const InferContext& context) { return {context.inputs.begin(), context.inputs.end()}; }

std::vector<Tensor> evaluate_all(const ir::Node&, std::span<const Tensor> inputs) {
  return {inputs.begin(), inputs.end()};
}

std::vector<Tensor> evaluate_first(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_same, node, inputs);
  return {inputs[0]};
}

// Reading takes it out; in graphs made otherwise its shape is one more thing that is known.
std::vector<TypeInfo> infer_ensure(const InferContext& context) {
  require_inputs(context, 1);
  const Shape declared = context.node.attr_or<Shape>("shape", Shape::unknown_rank());
  return {{context.inputs[0].dtype, merge_shapes(context.node, declared, context.inputs[0].shape)}};
}

std::vector<Tensor> evaluate_ensure(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_ensure, node, inputs);
  return {inputs[0]};
}

// Input 1 is the shape that TensorFlow falls back to when nothing is fed.
std::vector<TypeInfo> infer_placeholder(const InferContext& context) {
  require_inputs(context, 1);
  const Shape declared = context.node.attr_or<Shape>("shape", Shape::unknown_rank());
  return {{context.inputs[0].dtype, declared.ranked() ? declared : context.inputs[0].shape}};
}

std::vector<Tensor> evaluate_placeholder(const ir::Node&, std::span<const Tensor> inputs) { return {inputs[0]}; }

}  // namespace

std::vector<Op> identity_ops() {
  const Int8Rule passes{.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll};
  std::vector<Op> ops;
  for (const char* name : {"Identity", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics"}) {
    ops.push_back({.name = name,
                   // TF-TRT's list of ops names the copy from host to device.
                   .aliases = name == std::string("Identity") ? std::vector<std::string>{"_CopyFromHostToGpu"}
                                                              : std::vector<std::string>{},
                   .infer = infer_same,
                   .evaluate = evaluate_first,
                   .int8 = passes,
                   .elementwise = true,
                   .moves_elements = true});
  }
  ops.push_back({.name = "EnsureShape",
                 .infer = infer_ensure,
                 .evaluate = evaluate_ensure,
                 .int8 = passes,
                 .moves_elements = true});
  ops.push_back({.name = "IdentityN", .infer = infer_all, .evaluate = evaluate_all, .moves_elements = true});
  ops.push_back(
      {.name = "PlaceholderWithDefault", .infer = infer_placeholder, .evaluate = evaluate_placeholder, .folds = false});
  return ops;
}

}  // namespace tfengine::ops
