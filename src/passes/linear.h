// SPDX-License-Identifier: Apache-2.0
// Convolution, depthwise convolution and MatMul seen as one thing: weights that connect input channels to output channels,
// and a bias. What the affine folding needs to scale them, whatever the order of their axes.
#pragma once

#include <cstdint>
#include <vector>

#include "passes/rewrite.h"

namespace tfengine::passes {

// Whether `node` is one of them with constant float weights and an input whose channel count is known.
bool is_linear(const Graph& graph, const Node& node);
int64_t linear_out_channels(const Graph& graph, const Node& node);
// Whether no output element sees padding, so that an offset of the input can move into the bias.
bool has_no_padding(const Graph& graph, const Node& node);

// weights[.., in, .., out] *= in_scale[in] * out_scale[out]; an empty vector means 1. A new constant.
void scale_weights(Graph& graph, NodeId id, const std::vector<double>& in_scale, const std::vector<double>& out_scale);
// Per output channel, the sum over its weights times in_offset[in]: what a constant input offset adds to the output.
std::vector<double> offset_response(const Graph& graph, const Node& node, const std::vector<double>& in_offset);

}  // namespace tfengine::passes
