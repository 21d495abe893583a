// SPDX-License-Identifier: Apache-2.0
// ExtractImagePatches: the pixels under every position of a window, side by side as channels; zeros outside the image.
#include "ops/patches.h"

#include <cstring>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

// The op's attributes under the names that convolutions have for them.
Window patch_window(const ir::Node& node, int64_t in_h, int64_t in_w) {
  const std::vector<int64_t> kernel = ints_attr(node, "ksizes");
  if (kernel.size() != 4 || kernel[0] != 1 || kernel[3] != 1) {
    bad_node(node, "attribute 'ksizes' is [{}], expected [1, height, width, 1]", fmt::join(kernel, ","));
  }
  ir::Node window;
  window.op = node.op;
  window.name = node.name;
  window.attrs["strides"] = ints_attr(node, "strides");
  window.attrs["dilations"] = ints_attr(node, "rates");
  window.attrs["padding"] = node.attr<std::string>("padding");
  return conv_window(window, in_h, in_w, kernel[1], kernel[2]);
}

namespace {

std::vector<TypeInfo> infer_patches(const InferContext& context) {
  require_inputs(context, 1);
  const DType dtype = context.inputs[0].dtype;
  if (!has_rank(context, 0, 4)) return {{dtype, unknown_dims(4)}};
  const Shape& in = context.inputs[0].shape;
  const Window w = patch_window(context.node, in[1], in[2]);
  return {{dtype, {in[0], w.out_h, w.out_w, in[3] < 0 ? -1 : in[3] * w.kernel_h * w.kernel_w}}};
}

std::vector<Tensor> evaluate_patches(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_patches, node, inputs);
  const Shape& in = inputs[0].shape();
  const Window w = patch_window(node, in[1], in[2]);
  const size_t pixel = static_cast<size_t>(in[3]) * dtype_bytes(output.dtype());
  auto* to = output.mutable_as<std::byte>();
  for (int64_t n = 0; n < in[0]; ++n) {
    for (int64_t place = 0; place < w.out_h * w.out_w; ++place) {
      for (int64_t tap = 0; tap < w.kernel_h * w.kernel_w; ++tap, to += pixel) {
        const int64_t y = place / w.out_w * w.stride_h - w.pad_top + tap / w.kernel_w * w.dilation_h;
        const int64_t x = place % w.out_w * w.stride_w - w.pad_left + tap % w.kernel_w * w.dilation_w;
        if (y < 0 || y >= in[1] || x < 0 || x >= in[2]) continue;
        std::memcpy(to, inputs[0].as<std::byte>() + static_cast<size_t>((n * in[1] + y) * in[2] + x) * pixel, pixel);
      }
    }
  }
  return {output};
}

}  // namespace

std::vector<Op> patches_ops() {
  return {{.name = "ExtractImagePatches",
           .infer = infer_patches,
           .evaluate = evaluate_patches,
           .int8 = {.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll}}};
}

}  // namespace tfengine::ops
