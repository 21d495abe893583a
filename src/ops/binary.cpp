// SPDX-License-Identifier: Apache-2.0
// Elementwise functions of two tensors with NumPy broadcasting: one row per op.
#include <algorithm>
#include <cmath>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

struct BinaryRow {
  const char* name;
  std::vector<std::string> aliases;
  float (*f32)(float, float);
  double (*f64)(double, double);
  int64_t (*i64)(int64_t, int64_t);
  bool to_bool = false;
  Int8Rule int8 = {.data_inputs = {0, 1}};
  bool polynomial = false;
};

Int8Rule elementwise_rule(Sign sign) { return {.kind = Int8Kind::Elementwise, .data_inputs = {0, 1}, .sign = sign}; }

template <typename F>
BinaryRow row(const char* name, F f, Int8Rule int8 = {.data_inputs = {0, 1}}) {
  return {name, {}, f, f, f, false, std::move(int8)};
}

template <typename F>
BinaryRow compare(const char* name, F f) {
  const auto number = [](auto a, auto b) { return static_cast<decltype(a)>(F{}(a, b)); };
  (void)f;
  return {name, {}, number, number, number, true};
}

// Signed overflow wraps, as TensorFlow's integers do.
template <typename Op>
int64_t wrapped(int64_t a, int64_t b) {
  return static_cast<int64_t>(Op{}(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
}

int64_t checked_divisor(int64_t b) {
  if (b == 0) fail<InvalidModel>("division of integers by zero");
  return b;
}

int64_t truncated_div(int64_t a, int64_t b) { return checked_divisor(b) == -1 ? wrapped<std::minus<>>(0, a) : a / b; }
int64_t floor_mod(int64_t a, int64_t b) {
  if (checked_divisor(b) == -1) return 0;
  const int64_t remainder = a % b;
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}
int64_t floor_div(int64_t a, int64_t b) {
  if (checked_divisor(b) == -1) return truncated_div(a, b);
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}
int64_t int_pow(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  int64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = wrapped<std::multiplies<>>(result, base);
    base = wrapped<std::multiplies<>>(base, base);
  }
  return result;
}

template <typename T>
T real_floor_mod(T a, T b) {
  const T remainder = std::fmod(a, b);
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

template <typename Op>
BinaryRow arithmetic(const char* name, std::vector<std::string> aliases, Int8Rule int8) {
  const auto f = [](auto a, auto b) { return Op{}(a, b); };
  return {name, std::move(aliases), f, f, wrapped<Op>, false, std::move(int8), true};
}

int64_t no_integers(int64_t, int64_t) { fail<InvalidModel>("integers where the op is defined on real numbers"); }
float no_floats(float, float) { fail<InvalidModel>("real numbers where the op is defined on integers"); }
double no_doubles(double, double) { fail<InvalidModel>("real numbers where the op is defined on integers"); }

template <typename F>
BinaryRow real_only(const char* name, F f) {
  return {name, {}, f, f, no_integers};
}

template <typename F>
BinaryRow bitwise(const char* name, F) {
  return {name, {}, no_floats, no_doubles, [](int64_t a, int64_t b) {
            return static_cast<int64_t>(F{}(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
          }};
}

const std::vector<BinaryRow>& rows() {
  const auto div = [](auto a, auto b) { return a / b; };
  static const std::vector<BinaryRow> table = {
      arithmetic<std::plus<>>("Add", {"AddV2"}, elementwise_rule(Sign::NonNegativeIfAll)),
      arithmetic<std::minus<>>("Sub", {}, elementwise_rule(Sign::Any)),
      arithmetic<std::multiplies<>>("Mul", {}, elementwise_rule(Sign::NonNegativeIfAll)),
      {"RealDiv", {"Div"}, div, div, truncated_div},
      {"TruncateDiv",
       {},
       [](float a, float b) { return std::trunc(a / b); },
       [](double a, double b) { return std::trunc(a / b); },
       truncated_div},
      {"DivNoNan",
       {},
       [](float a, float b) { return b == 0 ? 0 : a / b; },
       [](double a, double b) { return b == 0 ? 0 : a / b; },
       [](int64_t a, int64_t b) { return b == 0 ? 0 : truncated_div(a, b); }},
      row(
          "Maximum", [](auto a, auto b) { return a < b ? b : a; }, elementwise_rule(Sign::NonNegativeIfAll)),
      row(
          "Minimum", [](auto a, auto b) { return b < a ? b : a; }, elementwise_rule(Sign::NonNegativeIfAll)),
      {"Pow",
       {},
       [](float a, float b) { return std::pow(a, b); },
       [](double a, double b) { return std::pow(a, b); },
       int_pow},
      {"SquaredDifference",
       {},
       [](float a, float b) { return (a - b) * (a - b); },
       [](double a, double b) { return (a - b) * (a - b); },
       [](int64_t a, int64_t b) {
         const int64_t d = wrapped<std::minus<>>(a, b);
         return wrapped<std::multiplies<>>(d, d);
       },
       false,
       {.data_inputs = {0, 1}, .sign = Sign::NonNegative}},
      {"FloorDiv",
       {},
       [](float a, float b) { return std::floor(a / b); },
       [](double a, double b) { return std::floor(a / b); },
       floor_div},
      {"FloorMod", {}, real_floor_mod<float>, real_floor_mod<double>, floor_mod},
      {"TruncateMod",
       {"Mod"},
       [](float a, float b) { return std::fmod(a, b); },
       [](double a, double b) { return std::fmod(a, b); },
       [](int64_t a, int64_t b) { return checked_divisor(b) == -1 ? 0 : a % b; }},
      real_only("Xdivy", [](auto a, auto b) { return a == 0 ? a * 0 : a / b; }),
      real_only("Xlogy", [](auto a, auto b) { return a == 0 ? a * 0 : a * std::log(b); }),
      real_only("Xlog1py", [](auto a, auto b) { return a == 0 ? a * 0 : a * std::log1p(b); }),
      real_only("MulNoNan", [](auto a, auto b) { return b == 0 ? b * 0 : a * b; }),
      bitwise("BitwiseAnd", [](uint64_t a, uint64_t b) { return a & b; }),
      bitwise("BitwiseOr", [](uint64_t a, uint64_t b) { return a | b; }),
      bitwise("BitwiseXor", [](uint64_t a, uint64_t b) { return a ^ b; }),
      {"Atan2",
       {},
       [](float a, float b) { return std::atan2(a, b); },
       [](double a, double b) { return std::atan2(a, b); },
       no_integers},
      compare("Equal", std::equal_to<>{}),
      compare("NotEqual", std::not_equal_to<>{}),
      compare("Greater", std::greater<>{}),
      compare("GreaterEqual", std::greater_equal<>{}),
      compare("Less", std::less<>{}),
      compare("LessEqual", std::less_equal<>{}),
      compare("LogicalAnd", std::logical_and<>{}),
      compare("LogicalOr", std::logical_or<>{}),
  };
  return table;
}

const BinaryRow& row_of(const ir::Node& node) {
  for (const BinaryRow& candidate : rows()) {
    const auto& aliases = candidate.aliases;
    if (candidate.name == node.op || std::find(aliases.begin(), aliases.end(), node.op) != aliases.end())
      return candidate;
  }
  bad_node(node, "is not a binary op");
}

std::vector<TypeInfo> infer_binary(const InferContext& context) {
  require_inputs(context, 2);
  const TypeInfo& a = context.inputs[0];
  const TypeInfo& b = context.inputs[1];
  if (a.dtype != b.dtype && a.dtype != DType::Invalid && b.dtype != DType::Invalid) {
    bad_node(context.node, "its inputs are {} and {}, expected one type", dtype_name(a.dtype), dtype_name(b.dtype));
  }
  const DType dtype = row_of(context.node).to_bool ? DType::Bool : a.dtype;
  return {{dtype, broadcast_shapes(context.node, a.shape, b.shape)}};
}

template <typename C>
auto function_for(const BinaryRow& candidate) {
  if constexpr (std::is_same_v<C, float>)
    return candidate.f32;
  else if constexpr (std::is_same_v<C, double>)
    return candidate.f64;
  else
    return candidate.i64;
}

template <typename T, typename Out>
void broadcast_apply(const BinaryRow& candidate, const Tensor& a, const Tensor& b, Tensor& output) {
  using C = Compute<T>;
  const auto function = function_for<C>(candidate);
  const Shape& out = output.shape();
  Out* y = output.mutable_as<Out>();
  walk_rows<2>(
      out, {broadcast_strides(a.shape(), out), broadcast_strides(b.shape(), out)},
      [&](const auto& offset, const auto& step, int64_t count) {
        const T* left = a.as<T>() + offset[0];
        const T* right = b.as<T>() + offset[1];
        for (int64_t i = 0; i < count; ++i) {
          *y++ = convert_number<Out>(function(static_cast<C>(left[i * step[0]]), static_cast<C>(right[i * step[1]])));
        }
      });
}

std::vector<Tensor> evaluate_binary(const ir::Node& node, std::span<const Tensor> inputs) {
  const BinaryRow& candidate = row_of(node);
  Tensor output = make_output(infer_binary, node, inputs);
  visit_dtype(inputs[0].dtype(), [&]<typename T>(T) {
    candidate.to_bool ? broadcast_apply<T, bool>(candidate, inputs[0], inputs[1], output)
                      : broadcast_apply<T, T>(candidate, inputs[0], inputs[1], output);
  });
  return {output};
}

std::vector<TypeInfo> infer_add_n(const InferContext& context) {
  require_inputs(context, 1);
  TypeInfo type = context.inputs[0];
  for (const TypeInfo& input : context.inputs) type.shape = merge_shapes(context.node, type.shape, input.shape);
  return {type};
}

std::vector<Tensor> evaluate_add_n(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_add_n, node, inputs);
  Tensor sum = inputs[0];
  for (const Tensor& term : inputs.subspan(1)) {
    Tensor next(sum.dtype(), sum.shape());
    visit_dtype(sum.dtype(), [&]<typename T>(T) { broadcast_apply<T, T>(rows().front(), sum, term, next); });
    sum = next;
  }
  return {sum};
}

}  // namespace

std::vector<Op> binary_ops() {
  std::vector<Op> ops;
  for (const BinaryRow& candidate : rows()) {
    ops.push_back({.name = candidate.name,
                   .aliases = candidate.aliases,
                   .infer = infer_binary,
                   .evaluate = evaluate_binary,
                   .int8 = candidate.int8,
                   .elementwise = true,
                   .moves_elements = candidate.polynomial});
  }
  ops.push_back({.name = "AddN",
                 .infer = infer_add_n,
                 .evaluate = evaluate_add_n,
                 .int8 = {.data_inputs = {}, .sign = Sign::NonNegativeIfAll},
                 .elementwise = true});
  return ops;
}

}  // namespace tfengine::ops
