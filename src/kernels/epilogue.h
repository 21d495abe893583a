// SPDX-License-Identifier: Apache-2.0
// What a kernel does to each result before it is stored: the arithmetic that fusion moved into the producing step.
// Plain data shared by all kernels of this folder; it knows nothing of graphs.
#pragma once

#include <cstdint>

#include "base/activation.h"

namespace tfengine::kernels {

enum class Elem : uint8_t { F32, S8, U8 };

using tfengine::Act;
using tfengine::ActKind;

// For output channel c, with `acc` the exact integer (or float) accumulator:
//   r = acc * scale[c] + bias[c]
//   r = before_add(r)
//   r = r + (residual - residual_zero) * residual_scale      (residual of type residual_elem, same shape as dst)
//   r = after_add(r)
//   dst = dst_elem is F32 ? r : saturate(round_half_even(r * dst_inv_scale + dst_zero))
// `scale` already contains the product of the source's and the weights' scales; null means 1 for every channel.
struct Epilogue {
  const float* scale = nullptr;
  const float* bias = nullptr;
  Act before_add;
  const void* residual = nullptr;
  Elem residual_elem = Elem::F32;
  float residual_scale = 1.0f;
  float residual_zero = 0.0f;
  int64_t residual_pixel_stride = 0;  // elements between neighbouring pixels (channels of the tensor it is a slice of)
  Act after_add;
  Elem dst_elem = Elem::F32;
  float dst_inv_scale = 1.0f;
  float dst_zero = 0.0f;  // 0 for F32
};

}  // namespace tfengine::kernels
