// SPDX-License-Identifier: Apache-2.0
// Weights as 8-bit integers: symmetric, in [-127, 127], one scale per output channel.
#pragma once

#include <compare>
#include <string_view>

#include "ir/graph.h"

namespace tfengine::quantize {

enum class WeightRange : uint8_t {
  Max,  // the largest magnitude of the channel
  Mse,  // of a few narrower ranges, the one with the least squared error
};

struct QuantizedWeights {
  Tensor tensor;  // S8
  ir::Quant quant;
};

// The output channels of a weight tensor: the index along `axis`, or along `axis` and all axes behind it together (the
// filter [kh, kw, channels, multiplier] of a depthwise convolution).
struct ChannelAxis {
  int axis = 0;
  bool with_rest = false;
  auto operator<=>(const ChannelAxis&) const = default;
};

// `weights`: F32 with finite elements. InvalidModel naming `what` otherwise.
QuantizedWeights quantize_weights(const Tensor& weights, ChannelAxis axis, WeightRange range, std::string_view what);

}  // namespace tfengine::quantize
