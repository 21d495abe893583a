// SPDX-License-Identifier: Apache-2.0
// Pictures of another size: blocks of pixels to channels and back, resizing, transposed convolutions. Channels first.
#include <algorithm>

#include "bridges/onnx/ops.h"

namespace tfengine::bridges::onnx {

namespace {

std::string picture(const NodeContext& context, int index) {
  return context.tensors.read(context.node.inputs[static_cast<size_t>(index)], Layout::ChannelsFirst);
}

// Both number the channels of a block by row, column and channel, which ONNX calls DCR.
Written block(const NodeContext& context) {
  Attrs attrs = {int_attr("blocksize", context.node.attr<int64_t>("block_size"))};
  if (context.node.op == "DepthToSpace") attrs.push_back(string_attr("mode", "DCR"));
  return {context.tensors.append(context.node.op, {picture(context, 0)}, context.node.name, attrs),
          Layout::ChannelsFirst};
}

Written resize(const NodeContext& context) {
  const ir::Node& node = context.node;
  const bool nearest = node.op == "ResizeNearestNeighbor";
  const bool align = node.attr_or<bool>("align_corners", false), half = node.attr_or<bool>("half_pixel_centers", false);
  const Shape& in = context.input(0).shape;
  const std::vector<int64_t> size = context.int_input(1);
  if (!in.ranked() || in.rank() != 4 || in[1] < 1 || in[2] < 1) context.refuse("the size of its input is not known");
  Attrs attrs = {string_attr("mode", nearest ? "nearest" : "linear"),
                 string_attr("coordinate_transformation_mode", align  ? "align_corners"
                                                               : half ? "half_pixel"
                                                                      : "asymmetric")};
  // TensorFlow takes floor((i + 0.5) * ratio) with half pixels, which is half_pixel's position rounded with halves up.
  if (nearest) attrs.push_back(string_attr("nearest_mode", align || half ? "round_prefer_ceil" : "floor"));
  const auto scale = [&](size_t axis) { return static_cast<float>(size.at(axis)) / static_cast<float>(in[axis + 1]); };
  const std::string scales = context.tensors.floats(context.part("scales"), {4}, {1.0f, 1.0f, scale(0), scale(1)});
  return {context.tensors.append("Resize", {picture(context, 0), "", scales}, node.name, attrs), Layout::ChannelsFirst};
}

// The padding of the convolution that this is the transposition of; a result beyond what the windows reach is padded behind.
struct Padding {
  int64_t before = 0, behind = 0, beyond = 0;
};

Padding padding_of(const NodeContext& context, size_t axis, int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  const auto& padding = context.node.attr<std::string>("padding");
  const int64_t reach = stride * (in - 1) + kernel;
  Padding pads;
  if (padding == "EXPLICIT") {
    const auto& given = context.node.attr<std::vector<int64_t>>("explicit_paddings");
    pads.before = given.at(2 * axis);
    pads.behind = given.at(2 * axis + 1);
  } else if (padding == "SAME") {
    const int64_t total = std::max<int64_t>(reach - out, 0);
    pads.before = total / 2;
    pads.behind = total - pads.before;
  }
  pads.beyond = out - (reach - pads.before - pads.behind);
  if (pads.beyond < 0) {
    pads.behind -= pads.beyond;
    pads.beyond = 0;
  }
  return pads;
}

Written transposed_convolution(const NodeContext& context) {
  const ir::Node& node = context.node;
  const Shape& in = context.input(2).shape;
  const Shape& out = context.graph.value(node.outputs[0]).shape;
  if (!context.input(1).is_constant()) context.refuse("its filter is computed at run time");
  const Shape filter = context.input(1).constant.shape();
  const auto known = [](const Shape& shape) {
    return shape.ranked() && shape.rank() == 4 && shape[1] > 0 && shape[2] > 0;
  };
  if (!known(in) || !known(out)) context.refuse("the size of its input or result is not known");
  const auto& strides = node.attr<std::vector<int64_t>>("strides");
  const std::vector<int64_t> ones(4, 1);
  const auto dilations = node.attr_or<std::vector<int64_t>>("dilations", ones);
  if (dilations != ones) context.refuse("it is dilated");
  const Padding rows = padding_of(context, 1, in[1], out[1], filter[0], strides.at(1));
  const Padding columns = padding_of(context, 2, in[2], out[2], filter[1], strides.at(2));
  // [h, w, result's channels, input's channels] to [input's, result's, h, w].
  const std::string weights =
      context.tensors.permuted_constant(node.inputs[1], {3, 2, 0, 1}, {filter[3], filter[2], filter[0], filter[1]}, 0);
  const Attrs attrs = {ints_attr("kernel_shape", {filter[0], filter[1]}),
                       ints_attr("strides", {strides[1], strides[2]}),
                       ints_attr("pads", {rows.before, columns.before, rows.behind, columns.behind}),
                       ints_attr("output_padding", {rows.beyond, columns.beyond})};
  return {context.tensors.append("ConvTranspose", {picture(context, 2), weights}, node.name, attrs),
          Layout::ChannelsFirst};
}

}  // namespace

std::optional<Written> write_pixels(const NodeContext& context) {
  const std::string& op = context.node.op;
  if (op == "DepthToSpace" || op == "SpaceToDepth") return block(context);
  if (op == "ResizeNearestNeighbor" || op == "ResizeBilinear") return resize(context);
  if (op == "Conv2DBackpropInput") return transposed_convolution(context);
  return std::nullopt;
}

}  // namespace tfengine::bridges::onnx
