// SPDX-License-Identifier: Apache-2.0
// Elementwise functions of one tensor: one row per op.
#include <algorithm>
#include <cmath>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

struct UnaryRow {
  const char* name;
  std::vector<std::string> aliases;
  float (*f32)(float);
  double (*f64)(double);
  int64_t (*i64)(int64_t) = nullptr;  // null: not defined on integers
  bool to_bool = false;
  Sign sign = Sign::Any;
};

template <typename F>
UnaryRow real(const char* name, F f, Sign sign = Sign::Any) {
  return {name, {}, f, f, nullptr, false, sign};
}

template <typename F>
UnaryRow any(const char* name, F f, Sign sign = Sign::Any) {
  return {name, {}, f, f, f, false, sign};
}

template <typename F>
UnaryRow predicate(const char* name, F f) {
  return {name, {}, f, f, nullptr, true, Sign::NonNegative};
}

// In unsigned arithmetic, which wraps where signed is undefined.
int64_t wrapped_square(int64_t x) { return static_cast<int64_t>(static_cast<uint64_t>(x) * static_cast<uint64_t>(x)); }
int64_t wrapped_negative(int64_t x) { return static_cast<int64_t>(-static_cast<uint64_t>(x)); }

const std::vector<UnaryRow>& rows() {
  static const std::vector<UnaryRow> table = {
      real("Selu",
           [](auto x) {
             // Constants of self-normalizing networks (arXiv 1706.02515).
             using T = decltype(x);
             constexpr T scale = T(1.0507009873554804934193349852946), alpha = T(1.6732632423543772848170429916717);
             return x > T(0) ? scale * x : scale * alpha * std::expm1(x);
           }),
      real("Softsign", [](auto x) { return x / (1 + std::abs(x)); }),
      real("Erf", [](auto x) { return std::erf(x); }),
      real(
          "Erfc", [](auto x) { return std::erfc(x); }, Sign::NonNegative),
      real(
          "Exp", [](auto x) { return std::exp(x); }, Sign::NonNegative),
      real("Expm1", [](auto x) { return std::expm1(x); }),
      real("Log", [](auto x) { return std::log(x); }),
      real("Log1p", [](auto x) { return std::log1p(x); }),
      real(
          "Sqrt", [](auto x) { return std::sqrt(x); }, Sign::NonNegative),
      real(
          "Rsqrt", [](auto x) { return 1 / std::sqrt(x); }, Sign::NonNegative),
      {"Square",
       {},
       [](float x) { return x * x; },
       [](double x) { return x * x; },
       wrapped_square,
       false,
       Sign::NonNegative},
      {"Abs",
       {},
       [](float x) { return std::fabs(x); },
       [](double x) { return std::fabs(x); },
       [](int64_t x) { return x < 0 ? wrapped_negative(x) : x; },
       false,
       Sign::NonNegative},
      {"Neg", {}, [](float x) { return -x; }, [](double x) { return -x; }, wrapped_negative},
      {"Reciprocal",
       {"Inv"},
       [](float x) { return 1 / x; },
       [](double x) { return 1 / x; },
       // Integers are divided, as all numbers are; a reciprocal of 0 is refused there, and is left 0 here.
       [](int64_t x) -> int64_t { return x == 0 ? 0 : 1 / x; }},
      any("Sign", [](auto x) { return static_cast<decltype(x)>((x > 0) - (x < 0)); }),
      any("Floor", [](auto x) { return static_cast<decltype(x)>(std::floor(x)); }),
      any("Ceil", [](auto x) { return static_cast<decltype(x)>(std::ceil(x)); }),
      any("Rint", [](auto x) { return static_cast<decltype(x)>(std::nearbyint(x)); }),
      // TensorFlow rounds half to even.
      any("Round", [](auto x) { return static_cast<decltype(x)>(std::nearbyint(x)); }),
      real("Sin", [](auto x) { return std::sin(x); }),
      real("Cos", [](auto x) { return std::cos(x); }),
      real("Tan", [](auto x) { return std::tan(x); }),
      real("Asin", [](auto x) { return std::asin(x); }),
      real(
          "Acos", [](auto x) { return std::acos(x); }, Sign::NonNegative),
      real("Atan", [](auto x) { return std::atan(x); }),
      real("Sinh", [](auto x) { return std::sinh(x); }),
      real(
          "Cosh", [](auto x) { return std::cosh(x); }, Sign::NonNegative),
      real("Asinh", [](auto x) { return std::asinh(x); }),
      real(
          "Acosh", [](auto x) { return std::acosh(x); }, Sign::NonNegative),
      real("Atanh", [](auto x) { return std::atanh(x); }),
      real("Lgamma", [](auto x) { return std::lgamma(x); }),
      {"Invert",
       {},
       [](float) -> float { fail<InvalidModel>("Invert of real numbers; expected integers"); },
       [](double) -> double { fail<InvalidModel>("Invert of real numbers; expected integers"); },
       [](int64_t x) { return ~x; }},
      {"LogicalNot",
       {},
       [](float x) { return x == 0 ? 1.0f : 0.0f; },
       [](double x) { return x == 0 ? 1.0 : 0.0; },
       [](int64_t x) { return static_cast<int64_t>(x == 0); },
       true},
      predicate("IsNan", [](auto x) { return static_cast<decltype(x)>(std::isnan(x)); }),
      predicate("IsInf", [](auto x) { return static_cast<decltype(x)>(std::isinf(x)); }),
      predicate("IsFinite", [](auto x) { return static_cast<decltype(x)>(std::isfinite(x)); }),
  };
  return table;
}

const UnaryRow& row_of(const ir::Node& node) {
  for (const UnaryRow& row : rows()) {
    if (row.name == node.op || std::find(row.aliases.begin(), row.aliases.end(), node.op) != row.aliases.end())
      return row;
  }
  bad_node(node, "is not a unary op");
}

std::vector<TypeInfo> infer_unary(const InferContext& context) {
  require_inputs(context, 1);
  const TypeInfo& input = context.inputs[0];
  return {{row_of(context.node).to_bool ? DType::Bool : input.dtype, input.shape}};
}

template <typename C>
auto function_for(const ir::Node& node, const UnaryRow& row) {
  if constexpr (std::is_same_v<C, float>) {
    return row.f32;
  } else if constexpr (std::is_same_v<C, double>) {
    return row.f64;
  } else {
    if (row.i64 == nullptr) bad_node(node, "its input holds integers, expected floating point");
    return row.i64;
  }
}

std::vector<Tensor> evaluate_unary(const ir::Node& node, std::span<const Tensor> inputs) {
  const UnaryRow& row = row_of(node);
  Tensor output = make_output(infer_unary, node, inputs);
  const int64_t count = output.elements();
  visit_dtype(inputs[0].dtype(), [&]<typename T>(T) {
    const auto function = function_for<Compute<T>>(node, row);
    const T* x = inputs[0].as<T>();
    const auto store = [&]<typename Out>(Out* y) {
      for (int64_t i = 0; i < count; ++i) y[i] = convert_number<Out>(function(static_cast<Compute<T>>(x[i])));
    };
    row.to_bool ? store(output.mutable_as<bool>()) : store(output.mutable_as<T>());
  });
  return {output};
}

}  // namespace

std::vector<Op> unary_ops() {
  std::vector<Op> ops;
  for (const UnaryRow& row : rows()) {
    const Int8Kind kind = row.i64 == nullptr && !row.to_bool ? Int8Kind::Elementwise : Int8Kind::Float;
    ops.push_back({.name = row.name,
                   .aliases = row.aliases,
                   .infer = infer_unary,
                   .evaluate = evaluate_unary,
                   .int8 = {.kind = kind, .sign = row.sign},
                   .elementwise = true});
  }
  return ops;
}

}  // namespace tfengine::ops
