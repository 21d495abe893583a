// SPDX-License-Identifier: Apache-2.0
// Weights of a convolution or matrix product as one thing: taps x input channels of a group x output channels.
#pragma once

#include <cstdint>
#include <optional>

#include "ir/graph.h"

namespace tfengine::quantize {

// The weight of tap t, input i and output o lies at (t * inputs + i) * outputs + o for every op but a transposed matrix
// ([outputs, inputs]) and a depthwise filter, whose group is its channel: t * outputs + o. `inputs` and `outputs` are those
// of the whole node divided by `groups` where its name says "of a group".
struct WeightLayout {
  int64_t taps_h = 1, taps_w = 1;
  int64_t inputs = 0;   // input channels that one output channel reads: of a group
  int64_t outputs = 0;  // of the whole node
  int64_t groups = 1;
  bool transposed = false;

  int64_t taps() const { return taps_h * taps_w; }
  int64_t group_outputs() const { return outputs / groups; }
  int64_t input_channels() const { return inputs * groups; }
  // Weights of one output channel.
  int64_t rows() const { return taps() * inputs; }
  // Where the weight `row` (t * inputs + i) of output channel `output` lies.
  int64_t at(int64_t row, int64_t output) const { return transposed ? output * inputs + row : row * outputs + output; }
};

// Of an Int8Kind::Compute node with weights of shape `weights`, whose input has `input_channels`; nullopt where they do not
// fit each other, or the node is none of Conv2D, DepthwiseConv2dNative and MatMul without transpose_a.
std::optional<WeightLayout> weight_layout(const ir::Node& node, const Shape& weights, int64_t input_channels);

}  // namespace tfengine::quantize
