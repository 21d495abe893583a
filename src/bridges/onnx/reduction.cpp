// SPDX-License-Identifier: Apache-2.0
// Reductions over axes: over the picture in the layout that it has, others channels last.
#include <algorithm>

#include "bridges/onnx/formula.h"

namespace tfengine::bridges::onnx {

namespace {

struct Axes {
  std::vector<int64_t> axes;
  std::string input;
  Layout layout = Layout::ChannelsLast;
};

Axes reduced_axes(const NodeContext& context) {
  const size_t rank = context.rank(0);
  const ir::ValueId input = context.node.inputs[0];
  Axes result;
  std::vector<int64_t>& axes = result.axes;
  for (const int64_t axis : context.int_input(1)) axes.push_back(static_cast<int64_t>(context.axis(axis, 0)));
  const bool spatial = axes.size() == 2 && axes[0] + axes[1] == 3 && axes[0] * axes[1] == 2;
  // Over the picture, what is left does not depend on the layout.
  if (rank == 4 && spatial) result.layout = context.tensors.layout_of(input);
  if (result.layout == Layout::ChannelsFirst)
    std::transform(axes.begin(), axes.end(), axes.begin(), axis_channels_first);
  result.input = context.tensors.read(input, result.layout);
  return result;
}

Written reduce(const NodeContext& context, std::string_view op) {
  const Formula formula(context);
  const bool keep = context.node.attr_or<bool>("keep_dims", false), flags = context.input(0).dtype == DType::Bool;
  const Axes over = reduced_axes(context);
  const Layout layout = keep ? over.layout : Layout::ChannelsLast;
  // Reducing over no axes is reducing over all of them there, and nothing here.
  if (over.axes.empty()) return {context.tensors.append("Identity", {over.input}, context.node.name), layout};
  std::vector<std::string> inputs = {flags ? formula.cast(over.input, DType::S32) : over.input};
  Attrs attrs = {int_attr("keepdims", keep ? 1 : 0)};
  // The one whose axes are an input in opset 13.
  if (op == "ReduceSum") {
    inputs.push_back(context.tensors.ints(context.part("axes"), over.axes));
  } else {
    attrs.push_back(ints_attr("axes", over.axes));
  }
  const std::string result = context.tensors.append(op, inputs, context.node.name, attrs);
  return {flags ? formula.cast(result, DType::Bool) : result, layout};
}

// The first of equals, as TensorFlow's.
Written arg_reduce(const NodeContext& context, std::string_view op) {
  const auto axis = static_cast<int64_t>(context.axis(context.int_input(1).at(0), 0));
  const DType to = context.node.attr_or<DType>("output_type", DType::S64);
  const Formula formula(context);
  const std::string index = formula.apply(op, {context.tensors.read(context.node.inputs[0])},
                                          {int_attr("axis", axis), int_attr("keepdims", 0)});
  return {to == DType::S64 ? index : formula.cast(index, to)};
}

constexpr OpName kReductions[] = {{"Mean", "ReduceMean"}, {"Sum", "ReduceSum"}, {"Prod", "ReduceProd"},
                                  {"Max", "ReduceMax"},   {"Min", "ReduceMin"}, {"All", "ReduceMin"},
                                  {"Any", "ReduceMax"}};
constexpr OpName kPositions[] = {{"ArgMax", "ArgMax"}, {"ArgMin", "ArgMin"}};

}  // namespace

std::optional<Written> write_reduction(const NodeContext& context) {
  const std::string& op = context.node.op;
  if (const std::string_view onnx = onnx_name(kReductions, op); !onnx.empty()) return reduce(context, onnx);
  if (const std::string_view onnx = onnx_name(kPositions, op); !onnx.empty()) return arg_reduce(context, onnx);
  return std::nullopt;
}

}  // namespace tfengine::bridges::onnx
