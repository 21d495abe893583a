// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "kernels/eltwise.h"

namespace tfengine::kernels {

double eltwise_reference(EltwiseOp op, double a, double b, double alpha, double beta) {
  const auto sigmoid = [](double x) { return 1.0 / (1.0 + std::exp(-x)); };
  const auto hard_sigmoid = [](double x) { return std::min(std::max(x + 3.0, 0.0), 6.0) / 6.0; };
  const auto elu = [](double x, double scale) { return x > 0 ? x : scale * std::expm1(x); };
  switch (op) {
    case EltwiseOp::Identity:
      return a;
    case EltwiseOp::Abs:
      return std::abs(a);
    case EltwiseOp::Neg:
      return -a;
    case EltwiseOp::Square:
      return a * a;
    case EltwiseOp::Sqrt:
      return std::sqrt(a);
    case EltwiseOp::Rsqrt:
      return 1.0 / std::sqrt(a);
    case EltwiseOp::Exp:
      return std::exp(a);
    case EltwiseOp::Log:
      return std::log(a);
    case EltwiseOp::Sigmoid:
      return sigmoid(a);
    case EltwiseOp::Tanh:
      return std::tanh(a);
    case EltwiseOp::Erf:
      return std::erf(a);
    case EltwiseOp::Erfc:
      return std::erfc(a);
    case EltwiseOp::Relu:
      return std::max(a, 0.0);
    case EltwiseOp::Relu6:
      return std::min(std::max(a, 0.0), 6.0);
    case EltwiseOp::Clip:
      return std::min(std::max(a, alpha), beta);
    case EltwiseOp::LeakyRelu:
      return a > 0 ? a : a * alpha;
    case EltwiseOp::Elu:
      return elu(a, alpha);
    case EltwiseOp::Selu:
      return 1.0507009873554804934193349852946 * elu(a, 1.6732632423543772848170429916717);
    case EltwiseOp::Softplus:
      return std::max(a, 0.0) + std::log1p(std::exp(-std::abs(a)));
    case EltwiseOp::Softsign:
      return a / (1.0 + std::abs(a));
    case EltwiseOp::HardSwish:
      return a * hard_sigmoid(a);
    case EltwiseOp::HardSigmoid:
      return hard_sigmoid(a);
    case EltwiseOp::Swish:
      return a * sigmoid(a);
    case EltwiseOp::GeluErf:
      return 0.5 * a * (1.0 + std::erf(a * 0.70710678118654752440));
    case EltwiseOp::GeluTanh:
      return 0.5 * a * (1.0 + std::tanh(0.79788456080286535588 * (a + 0.044715 * a * a * a)));
    case EltwiseOp::Reciprocal:
      return 1.0 / a;
    case EltwiseOp::Floor:
      return std::floor(a);
    case EltwiseOp::Ceil:
      return std::ceil(a);
    case EltwiseOp::Round:
      return std::nearbyint(a);
    case EltwiseOp::Sign:
      return a > 0 ? 1.0 : (a < 0 ? -1.0 : a);
    case EltwiseOp::Affine:
      return a * alpha + beta;
    case EltwiseOp::Add:
      return a + b;
    case EltwiseOp::Sub:
      return a - b;
    case EltwiseOp::Mul:
      return a * b;
    case EltwiseOp::Div:
      return a / b;
    case EltwiseOp::Max:
      return std::max(a, b);
    case EltwiseOp::Min:
      return std::min(a, b);
    case EltwiseOp::SquaredDifference:
      return (a - b) * (a - b);
  }
  return a;
}

}  // namespace tfengine::kernels
