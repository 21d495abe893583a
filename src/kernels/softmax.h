// SPDX-License-Identifier: Apache-2.0
// Softmax and log-softmax over the last axis of float tensors.
#pragma once

#include "kernels/copy.h"

namespace tfengine::kernels {

// Each of rows.rows rows has rows.cols values. src and dst may be the same memory when their strides are.
void softmax_f32(const Rows& rows, const float* src, float* dst, int threads);
void log_softmax_f32(const Rows& rows, const float* src, float* dst, int threads);

}  // namespace tfengine::kernels
