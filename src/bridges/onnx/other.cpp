// SPDX-License-Identifier: Apache-2.0
// Products, joins and what moves data.
#include <algorithm>
#include <numeric>

#include "bridges/onnx/formula.h"

namespace tfengine::bridges::onnx {

namespace {

std::string last_two_swapped(const NodeContext& context, const std::string& name, size_t rank) {
  std::vector<int64_t> perm(rank);
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[rank - 1], perm[rank - 2]);
  return context.tensors.append("Transpose", {name}, context.part("transposed"), {ints_attr("perm", perm)});
}

std::string matmul_operand(const NodeContext& context, int index, bool transposed) {
  const ir::ValueId id = context.node.inputs[static_cast<size_t>(index)];
  const ir::Value& value = context.graph.value(id);
  if (transposed && value.is_constant() && value.shape.rank() == 2) {
    const Shape& shape = value.constant.shape();
    return context.tensors.permuted_constant(id, {1, 0}, {shape[1], shape[0]}, 1);
  }
  const std::string name = context.tensors.read(id);
  return transposed ? last_two_swapped(context, name, context.rank(index)) : name;
}

Written matmul(const NodeContext& context) {
  const bool batched = context.node.op != "MatMul";
  const bool a = context.node.attr_or<bool>(batched ? "adj_x" : "transpose_a", false);
  const bool b = context.node.attr_or<bool>(batched ? "adj_y" : "transpose_b", false);
  return {context.tensors.append("MatMul", {matmul_operand(context, 0, a), matmul_operand(context, 1, b)},
                                 context.node.name)};
}

// All inputs in one layout: channels first if the first of them is.
Written concat(const NodeContext& context) {
  const int count = static_cast<int>(context.node.inputs.size()) - 1;
  const size_t rank = context.rank(0);
  auto axis = static_cast<int64_t>(context.axis(context.int_input(count).at(0), 0));
  const Layout layout = rank == 4 ? context.tensors.layout_of(context.node.inputs[0]) : Layout::ChannelsLast;
  if (layout == Layout::ChannelsFirst) axis = axis_channels_first(axis);
  std::vector<std::string> inputs;
  for (int i = 0; i < count; ++i) {
    inputs.push_back(context.tensors.read(context.node.inputs[static_cast<size_t>(i)], layout));
  }
  return {context.tensors.append("Concat", inputs, context.node.name, {int_attr("axis", axis)}), layout};
}

// Reshape, Squeeze, ExpandDims: the shape they come to, with one dimension left open at most.
Written reshape(const NodeContext& context) {
  const Shape& shape = context.graph.value(context.node.outputs[0]).shape;
  const std::string x = context.tensors.read(context.node.inputs[0]);
  std::vector<int64_t> target;
  if (shape.ranked() && std::count(shape.begin(), shape.end(), -1) <= 1) {
    target = shape.dims();
  } else if (context.node.op == "Reshape") {
    return {context.tensors.append("Reshape", {x, Formula(context).as_int64(1)}, context.node.name)};
  } else {
    context.refuse("more than one dimension of its result is not known");
  }
  return {
      context.tensors.append("Reshape", {x, context.tensors.ints(context.part("shape"), target)}, context.node.name)};
}

Written pad(const NodeContext& context) {
  const size_t rank = context.rank(0);
  const std::vector<int64_t> pairs = context.int_input(1);
  if (pairs.size() != 2 * rank) context.refuse("its paddings are not two for each axis");
  const Layout layout = rank == 4 ? context.tensors.layout_of(context.node.inputs[0]) : Layout::ChannelsLast;
  std::vector<int64_t> pads(2 * rank);
  for (size_t axis = 0; axis < rank; ++axis) {
    const auto to =
        layout == Layout::ChannelsFirst ? static_cast<size_t>(axis_channels_first(static_cast<int64_t>(axis))) : axis;
    pads[to] = pairs[2 * axis];
    pads[rank + to] = pairs[2 * axis + 1];
  }
  std::vector<std::string> inputs = {context.tensors.read(context.node.inputs[0], layout),
                                     context.tensors.ints(context.part("pads"), pads)};
  if (context.node.op == "PadV2") inputs.push_back(context.tensors.read(context.node.inputs[2]));
  return {context.tensors.append("Pad", inputs, context.node.name), layout};
}

Written transpose(const NodeContext& context) {
  return {context.tensors.append("Transpose", {context.tensors.read(context.node.inputs[0])}, context.node.name,
                                 {ints_attr("perm", context.int_input(1))})};
}

Written softmax(const NodeContext& context, const char* op) {
  return {context.tensors.append(op, {context.tensors.read(context.node.inputs[0])}, context.node.name,
                                 {int_attr("axis", -1)})};
}

Written gather(const NodeContext& context) {
  if (context.node.attr_or<int64_t>("batch_dims", 0) != 0) context.refuse("its batch_dims is not 0");
  const int64_t axis = context.node.inputs.size() > 2 ? context.int_input(2).at(0) : 0;
  return {context.tensors.append(
      "Gather", {context.tensors.read(context.node.inputs[0]), context.tensors.read(context.node.inputs[1])},
      context.node.name, {int_attr("axis", axis)})};
}

Written gather_nd(const NodeContext& context) {
  const std::string indices = Formula(context).as_int64(1);
  return {
      context.tensors.append("GatherND", {context.tensors.read(context.node.inputs[0]), indices}, context.node.name)};
}

Written cumulative_sum(const NodeContext& context) {
  const auto flag = [&](const char* key) { return int_attr(key, context.node.attr_or<bool>(key, false) ? 1 : 0); };
  Tensors& tensors = context.tensors;
  return {tensors.append("CumSum", {tensors.read(context.node.inputs[0]), tensors.read(context.node.inputs[1])},
                         context.node.name, {flag("exclusive"), flag("reverse")})};
}

Written cast(const NodeContext& context) {
  const DType to = context.node.attr<DType>("DstT");
  return {context.tensors.append("Cast", {context.tensors.read(context.node.inputs[0])}, context.node.name,
                                 {int_attr("to", data_type(to, context.node.name))})};
}

// (x - mean) / sqrt(variance + epsilon) * gamma + beta over the last axis, which is an op from opset 17 on only.
Written layer_norm(const NodeContext& context) {
  Tensors& tensors = context.tensors;
  const auto step = [&](const char* op, const std::vector<std::string>& inputs, const Attrs& attrs = {}) {
    return tensors.append(op, inputs, context.part(op), attrs);
  };
  const Attrs last = {ints_attr("axes", {-1}), int_attr("keepdims", 1)};
  const std::string x = tensors.read(context.node.inputs[0]);
  const std::string centred = step("Sub", {x, step("ReduceMean", {x}, last)});
  const std::string variance = step("ReduceMean", {step("Mul", {centred, centred})}, last);
  const std::string epsilon = tensors.floats(context.part("epsilon"), {}, {context.node.attr<float>("epsilon")});
  const std::string normal = step("Div", {centred, step("Sqrt", {step("Add", {variance, epsilon})})});
  const std::string scaled = step("Mul", {normal, tensors.read(context.node.inputs[1])});
  return {tensors.append("Add", {scaled, tensors.read(context.node.inputs[2])}, context.node.name)};
}

// Always int64 in ONNX.
Written shape(const NodeContext& context) {
  const DType to = context.node.attr_or<DType>("out_type", DType::S32);
  const std::string dims =
      context.tensors.append("Shape", {context.tensors.read(context.node.inputs[0])}, context.part("dims"));
  return {
      context.tensors.append("Cast", {dims}, context.node.name, {int_attr("to", data_type(to, context.node.name))})};
}

// Both write equations alike.
Written einsum(const NodeContext& context) {
  std::vector<std::string> inputs;
  for (const ir::ValueId id : context.node.inputs) inputs.push_back(context.tensors.read(id));
  return {context.tensors.append("Einsum", inputs, context.node.name,
                                 {string_attr("equation", context.node.attr<std::string>("equation"))})};
}

// Every input with an axis of its own, which are joined.
Written pack(const NodeContext& context) {
  Tensors& tensors = context.tensors;
  const int64_t axis = context.node.attr_or<int64_t>("axis", 0);
  const std::string axes = tensors.ints(context.part("axes"), {axis});
  std::vector<std::string> inputs;
  for (const ir::ValueId id : context.node.inputs) {
    inputs.push_back(tensors.append("Unsqueeze", {tensors.read(id), axes}, context.part("member")));
  }
  return {tensors.append("Concat", inputs, context.node.name, {int_attr("axis", axis)})};
}

}  // namespace

std::optional<Written> write_other(const NodeContext& context) {
  const std::string& op = context.node.op;
  if (op == "MatMul" || op.rfind("BatchMatMul", 0) == 0) return matmul(context);
  if (op == "ConcatV2") return concat(context);
  if (op == "Reshape" || op == "Squeeze" || op == "ExpandDims") return reshape(context);
  if (op == "Pad" || op == "PadV2") return pad(context);
  if (op == "Transpose") return transpose(context);
  if (op == "Softmax") return softmax(context, "Softmax");
  if (op == "LogSoftmax") return softmax(context, "LogSoftmax");
  if (op == "GatherV2" || op == "Gather") return gather(context);
  if (op == "GatherNd") return gather_nd(context);
  if (op == "Cumsum") return cumulative_sum(context);
  if (op == "Cast") return cast(context);
  if (op == "LayerNorm") return layer_norm(context);
  if (op == "Shape") return shape(context);
  if (op == "Einsum") return einsum(context);
  if (op == "Pack") return pack(context);
  return std::nullopt;
}

}  // namespace tfengine::bridges::onnx
