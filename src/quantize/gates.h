// SPDX-License-Identifier: Apache-2.0
// Squeeze-and-excitation branches: a few numbers of each sample, computed from averages over all positions, that scale
// whole channels. An error in one is the same at every position, so that nothing averages it out (EfficientNetB0 loses
// 5 dB by it), and INT8 gains nothing on tensors of one pixel: such branches stay in float.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace tfengine::quantize {

// By NodeId: what computes a factor of one number per sample and channel of a product with a larger tensor, back to the
// average over positions that it is made of.
std::vector<bool> find_gates(const ir::Graph& graph);

}  // namespace tfengine::quantize
