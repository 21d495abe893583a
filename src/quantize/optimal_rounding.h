// SPDX-License-Identifier: Apache-2.0
// Rounding weights one after another, each so that it makes up for the errors of those before it: with the second moments
// H of a layer's input, the error of the layer's result is e' H e, e being the error of one output channel's weights.
// Factored as H = L D L', it is a sum of squares, one for each weight, that depends on that weight and on those rounded
// before; each is made as small as the grid allows. This is the rounding of "GPTQ" (Frantar et al. 2022, arXiv 2210.17323)
// and of optimal brain quantization, written as the nearest plane method of lattices.
#pragma once

#include "quantize/input_moments.h"
#include "quantize/weights.h"

namespace tfengine::quantize {

struct RoundingResult {
  QuantizedWeights weights;    // on the scales that were given
  double error_nearest = 0.0;  // mean squared error of the results, summed over output channels: rounding to nearest
  double error_optimal = 0.0;  // and these
};

// `nearest`: the same weights rounded to nearest, whose scales count. `centered`: the mean error of each result is taken
// back by its bias, so that only the rest counts. Output channels for which rounding to nearest is better keep it.
RoundingResult round_optimally(const Tensor& weights, const QuantizedWeights& nearest, const InputMoments& moments,
                               bool centered);

}  // namespace tfengine::quantize
