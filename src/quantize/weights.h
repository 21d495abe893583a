// SPDX-License-Identifier: Apache-2.0
// Weights as 8-bit integers: symmetric, in [-127, 127], one scale per output channel.
#pragma once

#include <compare>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "ir/graph.h"

namespace tfengine::quantize {

enum class WeightRange : uint8_t {
  Max,        // the largest magnitude of the channel
  Mse,        // of a few narrower ranges, the one with the least squared error
  PerTensor,  // the largest magnitude of all channels, for each of them
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

// Of an Int8Kind::Compute node's weights.
ChannelAxis channel_axis(const ir::Node& node);

// Weights that were rounded with more than themselves in view, by node name.
using RoundedWeights = std::map<std::string, QuantizedWeights, std::less<>>;

// Weights quantized once for several rewrites of one graph: the rewrites then share their bytes too. Entries are told apart
// by where the float weights lie, which the cache keeps alive.
class WeightsCache {
 public:
  // As quantize_weights().
  const QuantizedWeights& get(const Tensor& weights, ChannelAxis axis, WeightRange range, std::string_view what);

 private:
  struct Entry {
    Tensor source;
    QuantizedWeights quantized;
  };
  std::map<std::tuple<const void*, ChannelAxis, WeightRange>, Entry> entries_;
};

}  // namespace tfengine::quantize
