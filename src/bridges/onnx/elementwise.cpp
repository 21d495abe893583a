// SPDX-License-Identifier: Apache-2.0
// Elementwise nodes, in the layout their input has.
#include <algorithm>
#include <cmath>

#include "bridges/onnx/ops.h"
#include "bridges/simulated.h"

namespace tfengine::bridges::onnx {

namespace {

struct Row {
  std::string_view ours, onnx;
};
constexpr Row kUnary[] = {{"Relu", "Relu"}, {"Sigmoid", "Sigmoid"},
                          {"Tanh", "Tanh"}, {"Softplus", "Softplus"},
                          {"Elu", "Elu"},   {"Abs", "Abs"},
                          {"Neg", "Neg"},   {"Exp", "Exp"},
                          {"Log", "Log"},   {"Sqrt", "Sqrt"},
                          {"Erf", "Erf"},   {"Floor", "Floor"},
                          {"Ceil", "Ceil"}, {"Reciprocal", "Reciprocal"}};
constexpr Row kBinary[] = {{"Add", "Add"}, {"AddV2", "Add"},   {"Sub", "Sub"},     {"Mul", "Mul"}, {"RealDiv", "Div"},
                           {"Div", "Div"}, {"Maximum", "Max"}, {"Minimum", "Min"}, {"Pow", "Pow"}};

template <size_t N>
std::string_view found_in(const Row (&rows)[N], std::string_view op) {
  const auto row = std::find_if(std::begin(rows), std::end(rows), [&](const Row& each) { return each.ours == op; });
  return row == std::end(rows) ? std::string_view() : row->onnx;
}

// Builds what has no op of its own.
class Formula {
 public:
  explicit Formula(const NodeContext& context) : context_(context) {}

  std::string scalar(float value) { return context_.tensors.floats(context_.part("constant"), {}, {value}); }
  std::string apply(std::string_view op, const std::vector<std::string>& inputs, const Attrs& attrs = {}) {
    return context_.tensors.append(op, inputs, context_.part(op), attrs);
  }
  std::string hard_sigmoid(const std::string& x) {
    return apply("HardSigmoid", {x}, {float_attr("alpha", 1.0f / 6), float_attr("beta", 0.5f)});
  }
  std::string gelu(const std::string& x, bool approximate) {
    const std::string inner =
        approximate ? apply("Tanh", {tanh_argument(x)}) : apply("Erf", {apply("Mul", {x, scalar(std::sqrt(0.5f))})});
    const std::string factor = apply("Mul", {apply("Add", {inner, scalar(1.0f)}), scalar(0.5f)});
    return apply("Mul", {x, factor});
  }

 private:
  std::string tanh_argument(const std::string& x) {
    const std::string cube = apply("Mul", {apply("Mul", {x, x}), x});
    const std::string sum = apply("Add", {x, apply("Mul", {cube, scalar(0.044715f)})});
    return apply("Mul", {sum, scalar(0.7978845608f)});
  }

  const NodeContext& context_;
};

std::string clipped(const NodeContext& context, const std::string& x, float low, float high) {
  Formula formula(context);
  return formula.apply("Clip", {x, formula.scalar(low), formula.scalar(high)});
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
  Formula formula(context);
  if (const std::string_view op = found_in(kUnary, node.op); !op.empty())
    return context.tensors.append(op, {x}, node.name);
  if (node.op == "FakeQuantWithMinMaxArgs" && node.has(kScale)) return rounded(context, x);
  if (node.op == "Relu6") return clipped(context, x, 0.0f, 6.0f);
  if (node.op == "Clip") return clipped(context, x, node.attr<float>("min"), node.attr<float>("max"));
  if (node.op == "LeakyRelu") {
    return context.tensors.append("LeakyRelu", {x}, node.name,
                                  {float_attr("alpha", node.attr_or<float>("alpha", 0.2f))});
  }
  if (node.op == "Swish") return formula.apply("Mul", {x, formula.apply("Sigmoid", {x})});
  if (node.op == "HardSigmoid") return formula.hard_sigmoid(x);
  if (node.op == "HardSwish") return formula.apply("Mul", {x, formula.hard_sigmoid(x)});
  if (node.op == "Gelu") return formula.gelu(x, node.attr_or<bool>("approximate", false));
  if (node.op == "Rsqrt") return formula.apply("Reciprocal", {formula.apply("Sqrt", {x})});
  if (node.op == "Square") return formula.apply("Mul", {x, x});
  if (node.op == "Identity" || node.op == "StopGradient") return context.tensors.append("Identity", {x}, node.name);
  return std::nullopt;
}

// Whether the operand means the same behind a transposition to channels first: a single number, or one per channel, which
// is then written as [channels, 1, 1].
std::optional<std::string> operand_channels_first(const NodeContext& context, int index) {
  const ir::ValueId id = context.node.inputs[static_cast<size_t>(index)];
  const ir::Value& value = context.graph.value(id);
  if (value.shape.ranked() && value.shape.rank() == 4) return context.tensors.read(id, Layout::ChannelsFirst);
  if (!value.is_constant()) return std::nullopt;
  if (value.constant.elements() == 1) return context.tensors.read(id);
  if (value.shape.rank() != 1 || value.quant.defined()) return std::nullopt;
  return context.tensors.permuted_constant(id, {0}, {value.constant.elements(), 1, 1}, 0);
}

Written binary(const NodeContext& context, std::string_view op) {
  const std::vector<ir::ValueId>& inputs = context.node.inputs;
  Tensors& tensors = context.tensors;
  const bool first =
      tensors.layout_of(inputs[0]) == Layout::ChannelsFirst || tensors.layout_of(inputs[1]) == Layout::ChannelsFirst;
  if (first) {
    const auto a = operand_channels_first(context, 0), b = operand_channels_first(context, 1);
    if (a && b) return {tensors.append(op, {*a, *b}, context.node.name), Layout::ChannelsFirst};
  }
  return {tensors.append(op, {tensors.read(inputs[0]), tensors.read(inputs[1])}, context.node.name),
          Layout::ChannelsLast};
}

}  // namespace

std::optional<Written> write_elementwise(const NodeContext& context) {
  const ir::Node& node = context.node;
  if (node.op == "BiasAdd") return binary(context, "Add");
  if (const std::string_view op = found_in(kBinary, node.op); !op.empty()) return binary(context, op);
  if (node.inputs.size() != 1) return std::nullopt;
  const Layout layout = context.tensors.layout_of(node.inputs[0]);
  const auto result = function_of(context, context.tensors.read(node.inputs[0], layout));
  return result ? std::optional(Written{*result, layout}) : std::nullopt;
}

}  // namespace tfengine::bridges::onnx
