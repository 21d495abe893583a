// SPDX-License-Identifier: Apache-2.0
// Pooling over NHWC tensors: maximum, average (padding not counted, as TensorFlow's SAME), and the mean of
// whole images.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/epilogue.h"

namespace tfengine::kernels {

// Pixel strides as in depthwise.h.
struct PoolShape {
  int64_t batch = 1;
  int64_t in_h = 1, in_w = 1;
  int64_t channels = 1;
  int64_t out_h = 1, out_w = 1;
  int64_t window_h = 1, window_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_left = 0;
  int64_t src_pixel_stride = 1;
  int64_t dst_pixel_stride = 1;
};

// r = (pooled value - src_zero) * src_scale (as it is for F32); r = act(r); dst = dst_elem is F32 ? r :
// saturate(round_half_even(r * dst_inv_scale + dst_zero)). When source and destination are the same 8-bit grid (same
// Elem, src_scale * dst_inv_scale within 2^-20 of 1, the same zero point, no activation) maxima are stored as they are.
struct PoolEpilogue {
  Elem src_elem = Elem::F32;
  float src_scale = 1.0f;
  Act act;
  Elem dst_elem = Elem::F32;
  float dst_inv_scale = 1.0f;
  float src_zero = 0.0f, dst_zero = 0.0f;
};

void max_pool(const PoolShape& shape, const PoolEpilogue& epilogue, const void* src, void* dst, int threads);
void avg_pool(const PoolShape& shape, const PoolEpilogue& epilogue, const void* src, void* dst, int threads);

// Mean over `pixels` pixels of each image: dst[n][c], images of dst follow each other at dst_stride elements.
struct GlobalPoolShape {
  int64_t batch = 1;
  int64_t pixels = 1;
  int64_t channels = 1;
  int64_t src_pixel_stride = 1;
  int64_t dst_stride = 1;
};
void global_avg_pool(const GlobalPoolShape& shape, const PoolEpilogue& epilogue, const void* src, void* dst,
                     int threads);

}  // namespace tfengine::kernels
