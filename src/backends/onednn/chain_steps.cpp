// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/chain_steps.h"

#include "backends/onednn/eltwise.h"
#include "backends/onednn/typed.h"
#include "ops/op.h"

namespace tfengine::onednn {

using kernels::ChainStep;
using kernels::EltwiseOp;
using kernels::Num;
using Kind = ChainStep::Kind;

namespace {

ChainStep typed_step(kernels::TypedOp op, Num type) {
  ChainStep step;
  step.kind = Kind::Typed;
  step.typed = op;
  step.type = type;
  return step;
}

}  // namespace

std::optional<kernels::Short> half_of(DType dtype) {
  if (dtype == DType::F16) return kernels::Short::F16;
  if (dtype == DType::BF16) return kernels::Short::BF16;
  return std::nullopt;
}
std::optional<Num> register_num(DType dtype) { return half_of(dtype) ? Num::F32 : num_of(dtype); }

ChainStep float_step(EltwiseOp op, float alpha, float beta) {
  ChainStep step;
  step.eltwise = op;
  step.alpha = alpha;
  step.beta = beta;
  return step;
}

std::optional<TwoSteps> two_steps(const std::string& op) {
  const auto logarithm = [](ChainStep first) {
    // 0 where the factor is 0, whatever the logarithm.
    return TwoSteps{first, typed_step(kernels::TypedOp::MulNoNan, Num::F32)};
  };
  if (op == "Xlogy") return logarithm(float_step(EltwiseOp::Log));
  if (op == "FloorDiv") return TwoSteps{float_step(EltwiseOp::Div), float_step(EltwiseOp::Floor)};
  return std::nullopt;
}

std::optional<ChainStep> single_step(const ir::Node& node, DType dtype) {
  const auto num = register_num(dtype);
  if (!num) return std::nullopt;
  ChainStep step;
  if (*num == Num::F32) {
    if (const auto unary = unary_step(node)) return float_step(unary->op, unary->alpha, unary->beta);
    if (const auto binary = binary_op(node.op)) return float_step(*binary);
    if (const auto math = math_op(node.op)) {
      step.kind = Kind::Math;
      step.math = *math;
      return step;
    }
    if (node.op == "Atan2") {
      step.kind = Kind::Angle;
      return step;
    }
  }
  const auto typed = typed_op(node.op);
  if (!typed || !kernels::typed_defined(*typed, *num) || kernels::typed_may_fail(*typed, *num)) return std::nullopt;
  return typed_step(*typed, *num);
}

DType data_type(const ir::Graph& graph, const ir::Node& node) {
  return graph.input_value(node, ops::own_input_count(node) - 1).dtype;
}

}  // namespace tfengine::onednn
