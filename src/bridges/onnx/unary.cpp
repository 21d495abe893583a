// SPDX-License-Identifier: Apache-2.0
// Functions of one tensor, element by element, in the layout that it has.
#include <cmath>

#include "bridges/onnx/formula.h"
#include "bridges/simulated.h"

namespace tfengine::bridges::onnx {

namespace {

constexpr OpName kSame[] = {{"Relu", "Relu"},         {"Sigmoid", "Sigmoid"},   {"Tanh", "Tanh"},
                            {"Softplus", "Softplus"}, {"Softsign", "Softsign"}, {"Elu", "Elu"},
                            {"Selu", "Selu"},         {"Abs", "Abs"},           {"Neg", "Neg"},
                            {"Sign", "Sign"},         {"Exp", "Exp"},           {"Log", "Log"},
                            {"Sqrt", "Sqrt"},         {"Erf", "Erf"},           {"Sin", "Sin"},
                            {"Cos", "Cos"},           {"Tan", "Tan"},           {"Asin", "Asin"},
                            {"Acos", "Acos"},         {"Atan", "Atan"},         {"Sinh", "Sinh"},
                            {"Cosh", "Cosh"},         {"Asinh", "Asinh"},       {"Acosh", "Acosh"},
                            {"Atanh", "Atanh"},       {"Floor", "Floor"},       {"Ceil", "Ceil"},
                            {"Round", "Round"},       {"Rint", "Round"},        {"Reciprocal", "Reciprocal"},
                            {"Inv", "Reciprocal"},    {"LogicalNot", "Not"},    {"IsNan", "IsNaN"},
                            {"IsInf", "IsInf"},       {"Identity", "Identity"}, {"StopGradient", "Identity"}};

std::string hard_sigmoid(const Formula& f, const std::string& x) {
  return f.apply("HardSigmoid", {x}, {float_attr("alpha", 1.0f / 6), float_attr("beta", 0.5f)});
}

std::string gelu(const Formula& f, const std::string& x, bool approximate) {
  std::string inner;
  if (approximate) {
    const std::string cube = f.apply("Mul", {f.apply("Mul", {x, x}), x});
    const std::string sum = f.apply("Add", {x, f.apply("Mul", {cube, f.number(0.044715)})});
    inner = f.apply("Tanh", {f.apply("Mul", {sum, f.number(0.7978845608)})});
  } else {
    inner = f.apply("Erf", {f.apply("Mul", {x, f.number(std::sqrt(0.5))})});
  }
  return f.apply("Mul", {x, f.apply("Mul", {f.apply("Add", {inner, f.number(1)}), f.number(0.5)})});
}

std::string clipped(const NodeContext& context, const std::string& x, float low, float high) {
  const Formula formula(context);
  return formula.apply("Clip", {x, formula.number(low), formula.number(high)});
}

// To the grid and back.
std::string rounded(const NodeContext& context, const std::string& x) {
  Tensors& tensors = context.tensors;
  const std::string scale = tensors.floats(context.part("scale"), {}, {context.node.attr<float>(kScale)});
  const DType dtype = context.node.attr<bool>(kUnsigned) ? DType::U8 : DType::S8;
  Tensor zero(dtype, Shape{});
  *zero.mutable_as<uint8_t>() = static_cast<uint8_t>(context.node.attr<int64_t>(kZeroPoint));
  const std::string zero_point = tensors.constant(context.part("zero_point"), zero);
  const std::string integers = tensors.append("QuantizeLinear", {x, scale, zero_point}, context.part("quantized"));
  return tensors.append("DequantizeLinear", {integers, scale, zero_point}, context.node.name);
}

// Nothing for what is no function of one tensor.
std::optional<std::string> function_of(const NodeContext& context, const std::string& x) {
  const ir::Node& node = context.node;
  const Formula f(context);
  const auto one = [&] { return f.number(1, context.input(0).dtype); };
  if (const std::string_view op = onnx_name(kSame, node.op); !op.empty())
    return context.tensors.append(op, {x}, node.name);
  if (node.op == "FakeQuantWithMinMaxArgs" && node.has(kScale)) return rounded(context, x);
  if (node.op == "Relu6") return clipped(context, x, 0.0f, 6.0f);
  if (node.op == "Clip") return clipped(context, x, node.attr<float>("min"), node.attr<float>("max"));
  if (node.op == "LeakyRelu") {
    return context.tensors.append("LeakyRelu", {x}, node.name,
                                  {float_attr("alpha", node.attr_or<float>("alpha", 0.2f))});
  }
  if (node.op == "Swish") return f.apply("Mul", {x, f.apply("Sigmoid", {x})});
  if (node.op == "HardSigmoid") return hard_sigmoid(f, x);
  if (node.op == "HardSwish") return f.apply("Mul", {x, hard_sigmoid(f, x)});
  if (node.op == "Gelu") return gelu(f, x, node.attr_or<bool>("approximate", false));
  if (node.op == "Rsqrt") return f.apply("Reciprocal", {f.apply("Sqrt", {x})});
  if (node.op == "Square") return f.apply("Mul", {x, x});
  if (node.op == "Erfc") return f.apply("Sub", {one(), f.apply("Erf", {x})});
  if (node.op == "Expm1") return f.apply("Sub", {f.apply("Exp", {x}), one()});
  if (node.op == "Log1p") return f.apply("Log", {f.apply("Add", {x, one()})});
  if (node.op == "IsFinite") return f.apply("Not", {f.apply("Or", {f.apply("IsNaN", {x}), f.apply("IsInf", {x})})});
  return std::nullopt;
}

}  // namespace

std::optional<Written> write_unary(const NodeContext& context) {
  const ir::Node& node = context.node;
  if (node.inputs.size() != 1) return std::nullopt;
  const Layout layout = context.tensors.layout_of(node.inputs[0]);
  const auto result = function_of(context, context.tensors.read(node.inputs[0], layout));
  return result ? std::optional(Written{*result, layout}) : std::nullopt;
}

}  // namespace tfengine::bridges::onnx
