// SPDX-License-Identifier: Apache-2.0
// Rounding weights shifts the mean of what a convolution or matrix product computes. With the mean of each input channel
// known from calibration, the shift is sum((W - Wq) * E[x]), and the bias takes it back: the analytic bias correction of
// Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019 (arXiv 1906.04721).
#pragma once

#include <vector>

#include "ir/graph.h"
#include "quantize/channel_means.h"
#include "quantize/weights.h"

namespace tfengine::quantize {

// Activations whose channel means are wanted: the inputs of nodes that have constant weights.
std::vector<ir::ValueId> tensors_to_average(const ir::Graph& graph);

// What to add to each output channel of `node` (of an Int8Kind::Compute op) in `graph`, whose weights become `quantized`.
// `means` is of its input's channels. Empty where the means do not fit the node.
std::vector<double> bias_shift(const ir::Graph& graph, const ir::Node& node, const QuantizedWeights& quantized,
                               const std::vector<float>& means);

}  // namespace tfengine::quantize
