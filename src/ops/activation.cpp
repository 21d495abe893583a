// SPDX-License-Identifier: Apache-2.0
// The activations that can also be fused behind another op: one row per op, one definition of each function.
#include <algorithm>
#include <cmath>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

struct ActivationRow {
  const char* name;
  Act (*act)(const ir::Node&);
  Sign sign = Sign::Any;
  std::optional<float> fixed_max_abs = std::nullopt;
};

template <ActKind kind>
Act plain(const ir::Node&) {
  return {kind, 0.0f, 0.0f};
}

// Those that tfengine's passes make from decomposed forms: Swish, HardSwish, HardSigmoid, Gelu, Clip.
const ActivationRow kRows[] = {
    {"Relu", plain<ActKind::Relu>, Sign::NonNegative},
    {"Relu6",
     [](const ir::Node&) {
       return Act{ActKind::Clip, 0.0f, 6.0f};
     },
     Sign::NonNegative},
    {"LeakyRelu",
     [](const ir::Node& node) {
       return Act{ActKind::LeakyRelu, node.attr_or<float>("alpha", 0.2f), 0.0f};
     }},
    {"Elu",
     [](const ir::Node&) {
       return Act{ActKind::Elu, 1.0f, 0.0f};
     }},
    {"Sigmoid", plain<ActKind::Sigmoid>, Sign::NonNegative, 1.0f},
    {"Tanh", plain<ActKind::Tanh>, Sign::Any, 1.0f},
    {"Softplus", plain<ActKind::Softplus>, Sign::NonNegative},
    {"Swish", plain<ActKind::Swish>},
    {"HardSwish", plain<ActKind::HardSwish>},
    {"HardSigmoid", plain<ActKind::HardSigmoid>, Sign::NonNegative, 1.0f},
    {"Gelu",
     [](const ir::Node& node) {
       return Act{node.attr_or<bool>("approximate", false) ? ActKind::GeluTanh : ActKind::GeluErf, 0.0f, 0.0f};
     }},
    {"Clip",
     [](const ir::Node& node) {
       return Act{ActKind::Clip, node.attr<float>("min"), node.attr<float>("max")};
     }},
};

const ActivationRow* find_row(std::string_view op) {
  const auto* found = std::find_if(std::begin(kRows), std::end(kRows), [&](const auto& row) { return row.name == op; });
  return found == std::end(kRows) ? nullptr : found;
}

std::vector<Tensor> evaluate_activation(const ir::Node& node, std::span<const Tensor> inputs) {
  const Act act = *activation_of(node);
  const Tensor input = as_f32(inputs[0]);
  Tensor output(DType::F32, input.shape());
  const float* x = input.as<float>();
  std::transform(x, x + input.elements(), output.mutable_as<float>(),
                 [&](float v) { return apply_activation(act, v); });
  return {cast_tensor(output, inputs[0].dtype())};
}

}  // namespace

std::optional<Act> activation_of(const ir::Node& node) {
  const ActivationRow* row = find_row(node.op);
  if (row == nullptr) return std::nullopt;
  return row->act(node);
}

bool act_non_negative(const Act& act, bool argument) {
  switch (act.kind) {
    case ActKind::Relu:
    case ActKind::Sigmoid:
    case ActKind::HardSigmoid:
    case ActKind::Softplus:
      return true;
    case ActKind::Clip:
      return act.alpha >= 0.0f || (argument && act.beta >= 0.0f);
    case ActKind::Elu:
      return argument && act.alpha >= 0.0f;
    // Signs stay through all others: x times something in (0, 1], or an odd function.
    default:
      return argument;
  }
}

float apply_activation(const Act& act, float x) {
  const auto sigmoid = [](float v) { return 1.0f / (1.0f + std::exp(-v)); };
  switch (act.kind) {
    case ActKind::None:
      return x;
    case ActKind::Relu:
      return std::max(x, 0.0f);
    case ActKind::Clip:
      return std::min(std::max(x, act.alpha), act.beta);
    case ActKind::LeakyRelu:
      return x > 0.0f ? x : act.alpha * x;
    case ActKind::Elu:
      return x > 0.0f ? x : act.alpha * std::expm1(x);
    case ActKind::Sigmoid:
      return sigmoid(x);
    case ActKind::Tanh:
      return std::tanh(x);
    case ActKind::Swish:
      return x * sigmoid(x);
    case ActKind::HardSwish:
      return x * std::clamp(x + 3.0f, 0.0f, 6.0f) / 6.0f;
    case ActKind::HardSigmoid:
      return std::clamp(x + 3.0f, 0.0f, 6.0f) / 6.0f;
    case ActKind::GeluErf:
      return 0.5f * x * (1.0f + std::erf(x * 0.70710678118654752f));
    // Hendrycks and Gimpel's approximation (arXiv 1606.08415): sqrt(2 / pi) = 0.79788...
    case ActKind::GeluTanh:
      return 0.5f * x * (1.0f + std::tanh(0.7978845608028654f * (x + 0.044715f * x * x * x)));
    case ActKind::Softplus:
      return std::max(x, 0.0f) + std::log1p(std::exp(-std::fabs(x)));
  }
  return x;
}

std::vector<Op> activation_ops() {
  std::vector<Op> ops;
  for (const ActivationRow& row : kRows) {
    ops.push_back({.name = row.name,
                   .infer = infer_same,
                   .evaluate = evaluate_activation,
                   .int8 = {.kind = Int8Kind::Elementwise, .sign = row.sign, .fixed_max_abs = row.fixed_max_abs},
                   .elementwise = true});
  }
  return ops;
}

}  // namespace tfengine::ops
