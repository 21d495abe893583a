// SPDX-License-Identifier: Apache-2.0
// Layer normalisation over the last axis of float tensors.
#pragma once

#include "kernels/copy.h"

namespace tfengine::kernels {

// dst = (src - mean) / sqrt(variance + epsilon) * gamma + beta, variance without Bessel's correction. gamma
// and beta have rows.cols values; null means 1 and 0. src and dst may be the same memory when their strides
// are.
void layer_norm_f32(const Rows& rows, const float* src, const float* gamma, const float* beta, float epsilon,
                    float* dst, int threads);

}  // namespace tfengine::kernels
