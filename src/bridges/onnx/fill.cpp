// SPDX-License-Identifier: Apache-2.0
// Large tensors made of small ones.
#include <numeric>

#include "bridges/onnx/formula.h"
#include "bridges/onnx/tensors.h"

namespace tfengine::bridges::onnx {

namespace {

std::string read(const NodeContext& context, size_t index) { return context.tensors.read(context.node.inputs[index]); }

// `value` and `shape` are indices of inputs.
Written expanded(const NodeContext& context, size_t value, int shape) {
  return {
      context.tensors.append("Expand", {read(context, value), Formula(context).as_int64(shape)}, context.node.name)};
}

Written like(const NodeContext& context, double value) {
  const Formula f(context);
  const std::string shape = f.apply("Shape", {read(context, 0)});
  return {context.tensors.append("Expand", {f.number(value, context.input(0).dtype), shape}, context.node.name)};
}

// ONNX's own counts negative indices from the end, where TensorFlow's are nowhere.
Written one_hot(const NodeContext& context) {
  const Shape& shape = context.graph.value(context.node.outputs[0]).shape;
  if (!shape.ranked()) context.refuse("the rank of its result is not known");
  const auto rank = static_cast<int64_t>(shape.rank());
  const int64_t given = context.node.attr_or<int64_t>("axis", -1), axis = given < 0 ? given + rank : given;
  const int64_t depth = context.int_input(1).at(0);
  std::vector<int64_t> classes(static_cast<size_t>(depth));
  std::iota(classes.begin(), classes.end(), int64_t{0});
  Shape along(std::vector<int64_t>(shape.rank(), 1));
  along[static_cast<size_t>(axis)] = depth;
  const Formula f(context);
  Tensors& tensors = context.tensors;
  const std::string numbers =
      tensors.constant(context.part("classes"), Tensor::of<int64_t>(DType::S64, along, classes));
  const std::string indices = f.apply("Unsqueeze", {f.as_int64(0), tensors.ints(context.part("axes"), {axis})});
  return {tensors.append("Where", {f.apply("Equal", {indices, numbers}), read(context, 2), read(context, 3)},
                         context.node.name)};
}

}  // namespace

std::optional<Written> write_fill(const NodeContext& context) {
  const std::string& op = context.node.op;
  if (op == "Fill") return expanded(context, 1, 0);
  if (op == "BroadcastTo") return expanded(context, 0, 1);
  if (op == "ZerosLike" || op == "zeros_like") return like(context, 0);
  if (op == "OnesLike" || op == "ones_like") return like(context, 1);
  if (op == "OneHot") return one_hot(context);
  if (op == "Tile") {
    return Written{context.tensors.append("Tile", {read(context, 0), Formula(context).as_int64(1)}, context.node.name)};
  }
  if (op == "Range") {
    return Written{
        context.tensors.append("Range", {read(context, 0), read(context, 1), read(context, 2)}, context.node.name)};
  }
  return std::nullopt;
}

}  // namespace tfengine::bridges::onnx
