// SPDX-License-Identifier: Apache-2.0
// How far a quantized result is from the float one.
#pragma once

#include <span>

#include "tfengine/tensor.h"

namespace tfengine::quantize {

// 10 log10(signal / noise): infinity without noise, -infinity without signal but with noise, or when noise is no number.
double decibels(double signal, double noise);

// 10 log10(sum reference^2 / sum (reference - test)^2); infinity when they are equal, -infinity when the reference is
// zero and the test is not, or when the test holds a NaN.
double signal_to_noise_db(std::span<const float> reference, std::span<const float> test);
// Of F32 tensors of the same shape; InvalidArgument otherwise.
double signal_to_noise_db(const Tensor& reference, const Tensor& test);

}  // namespace tfengine::quantize
