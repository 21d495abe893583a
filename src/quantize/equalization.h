// SPDX-License-Identifier: Apache-2.0
// Channels of an activation brought to similar ranges, by factors that move between the layer that makes it and those that
// read it: y = W2 relu(W1 x) = (W2 S) relu(S^-1 W1 x). A grid shared by all channels then serves each of them. It is the
// cross-layer equalization of Nagel et al. 2019 (arXiv 1906.04721) behind convolutions and matrix products, and the scaling
// of SmoothQuant (Xiao et al. 2022, arXiv 2211.10438) behind layer normalisations.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace tfengine::quantize {

// Of one channel of an activation, from samples.
struct ChannelExtent {
  float max_abs = 0.0f;
  float mean_square = 0.0f;
};

// By tensor name: what each channel is divided by.
using ChannelFactors = std::map<std::string, std::vector<float>, std::less<>>;

// What makes the activation.
enum class Behind : uint8_t { Layers, Norms };

// The activations that can be equalized: their producer and all their readers, themselves or behind reshapes that keep the
// channels, have constant weights, or a scale and an offset, that take factors up. Ascending ids.
std::vector<ir::ValueId> equalizable(const ir::Graph& graph, Behind behind);
std::vector<ir::ValueId> equalizable(const ir::Graph& graph);  // behind both
// Such an activation and its reshapes: the tensors that equalizing it changes.
std::vector<ir::ValueId> with_reshapes(const ir::Graph& graph, ir::ValueId tensor);

// Factors in (0, 1], the largest being 1, that make the noise of rounding least: that of the activation on a grid over
// all channels, and that of the readers' weights, which grow where the activation shrinks. `extents`: by channel, of a
// tensor of equalizable(). All 1 where nothing is gained.
std::vector<float> choose_factors(const ir::Graph& graph, ir::ValueId tensor,
                                  const std::vector<ChannelExtent>& extents);

// Divides each named tensor's channels by its factors and multiplies its readers' weights by them; names that are not
// equalizable are left alone. The graph computes the same (relu6 and other clips: where the factors came of extents, no
// value seen is clipped that was not).
void equalize(ir::Graph& graph, const ChannelFactors& factors);

}  // namespace tfengine::quantize
