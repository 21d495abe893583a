// SPDX-License-Identifier: Apache-2.0
#include "quantize/weight_layout.h"

namespace tfengine::quantize {

std::optional<WeightLayout> weight_layout(const ir::Node& node, const Shape& weights, int64_t input_channels) {
  WeightLayout layout;
  if (node.op == "MatMul") {
    if (weights.rank() != 2 || node.attr_or<bool>("transpose_a", false)) return std::nullopt;
    layout.transposed = node.attr_or<bool>("transpose_b", false);
    layout.inputs = weights[layout.transposed ? 1 : 0];
    layout.outputs = weights[layout.transposed ? 0 : 1];
  } else if (node.op == "Conv2D" || node.op == "DepthwiseConv2dNative") {
    if (weights.rank() != 4) return std::nullopt;
    layout.taps_h = weights[0];
    layout.taps_w = weights[1];
    if (node.op == "Conv2D") {
      layout.inputs = weights[2];
      layout.outputs = weights[3];
      layout.groups = layout.inputs == 0 ? 0 : input_channels / layout.inputs;
    } else {
      layout.inputs = 1;
      layout.groups = weights[2];
      layout.outputs = weights[2] * weights[3];
    }
  } else {
    return std::nullopt;
  }
  if (layout.groups <= 0 || layout.input_channels() != input_channels || layout.outputs % layout.groups != 0) {
    return std::nullopt;
  }
  return layout;
}

}  // namespace tfengine::quantize
