// SPDX-License-Identifier: Apache-2.0
// Convolutions and pooling: channels first.
#include <algorithm>

#include "bridges/onnx/ops.h"

namespace tfengine::bridges::onnx {

namespace {

std::vector<int64_t> spatial(const ir::Node& node, std::string_view key) {
  if (!node.has(key)) return {1, 1};
  const auto& list = node.attr<std::vector<int64_t>>(key);
  return {list.at(1), list.at(2)};
}

// TensorFlow's SAME puts the odd pixel at the end, as SAME_UPPER does.
Attrs window_attrs(const NodeContext& context, const std::vector<int64_t>& kernel) {
  const ir::Node& node = context.node;
  Attrs attrs = {ints_attr("kernel_shape", kernel), ints_attr("strides", spatial(node, "strides"))};
  const auto& padding = node.attr<std::string>("padding");
  if (padding == "SAME") {
    attrs.push_back(string_attr("auto_pad", "SAME_UPPER"));
  } else if (padding == "EXPLICIT") {
    const auto& pads = node.attr<std::vector<int64_t>>("explicit_paddings");
    attrs.push_back(ints_attr("pads", {pads.at(2), pads.at(4), pads.at(3), pads.at(5)}));
  }
  return attrs;
}

// A bias that follows the convolution and nothing else reads is the convolution's own; see write_model().
Written convolution(const NodeContext& context) {
  const ir::Node& node = context.node;
  if (!context.input(1).is_constant()) context.refuse("its filter is computed at run time");
  const Shape filter = context.input(1).constant.shape();
  const bool depthwise = node.op == "DepthwiseConv2dNative";
  Attrs attrs = window_attrs(context, {filter[0], filter[1]});
  attrs.push_back(ints_attr("dilations", spatial(node, "dilations")));
  std::string weights;
  if (depthwise) {
    // [h, w, channels, multiplier] to [channels * multiplier, 1, h, w].
    weights = context.tensors.permuted_constant(node.inputs[1], {2, 3, 0, 1},
                                                {filter[2] * filter[3], 1, filter[0], filter[1]}, 0);
    attrs.push_back(int_attr("group", filter[2]));
  } else {
    weights = context.tensors.permuted_constant(node.inputs[1], {3, 2, 0, 1},
                                                {filter[3], filter[2], filter[0], filter[1]}, 0);
    const int64_t channels = context.input(0).shape.back();
    if (channels < 1) context.refuse("its number of input channels is not known");
    attrs.push_back(int_attr("group", channels / filter[2]));
  }
  const std::string input = context.tensors.read(node.inputs[0], Layout::ChannelsFirst);
  return {context.tensors.append("Conv", {input, weights}, node.name, attrs), Layout::ChannelsFirst};
}

Written pooling(const NodeContext& context, const char* op) {
  Attrs attrs = window_attrs(context, spatial(context.node, "ksize"));
  if (context.node.op == "AvgPool") attrs.push_back(int_attr("count_include_pad", 0));
  const std::string input = context.tensors.read(context.node.inputs[0], Layout::ChannelsFirst);
  return {context.tensors.append(op, {input}, context.node.name, attrs), Layout::ChannelsFirst};
}

}  // namespace

std::optional<Written> write_windowed(const NodeContext& context) {
  const std::string& op = context.node.op;
  if (op == "Conv2D" || op == "DepthwiseConv2dNative") return convolution(context);
  if (op == "MaxPool") return pooling(context, "MaxPool");
  if (op == "AvgPool") return pooling(context, "AveragePool");
  return std::nullopt;
}

}  // namespace tfengine::bridges::onnx
