// SPDX-License-Identifier: Apache-2.0
// Weights that lie on a grid already: those of models that were trained with simulated quantization, or dequantized from
// integers. Their own step, found again from the values, makes quantizing them exact; any other would round them twice.
#pragma once

#include <cstdint>
#include <optional>

namespace tfengine::quantize {

// The weights of one output channel: `outer` runs of `inner` floats, `stride` floats from run to run.
struct ChannelWeights {
  const float* data;
  int64_t outer, inner, stride;
};

// The step of which all weights are multiples by -127 .. 127 (and -128, which a grid of 8 bits may hold and INT8 weights
// clip), as near to max_abs / 127 as there is one; nothing when they lie on no such grid. `max_abs` is their largest
// magnitude.
std::optional<float> grid_step(const ChannelWeights& weights, float max_abs);

}  // namespace tfengine::quantize
