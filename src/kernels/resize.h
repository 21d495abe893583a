// SPDX-License-Identifier: Apache-2.0
// Resizing of NHWC images: ResizeNearestNeighbor and ResizeBilinear of TensorFlow.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tfengine::kernels {

struct ResizeShape {
  int64_t batch = 1;
  int64_t in_h = 1, in_w = 1;
  int64_t channels = 1;
  int64_t out_h = 1, out_w = 1;
  bool align_corners = false;
  bool half_pixel_centers = false;
  int64_t src_pixel_stride = 1;
  int64_t dst_pixel_stride = 1;
};

// elem_bytes: 1, 2 or 4.
void resize_nearest(int64_t elem_bytes, const ResizeShape& shape, const void* src, void* dst, int threads);
void resize_bilinear_f32(const ResizeShape& shape, const float* src, float* dst, int threads);

}  // namespace tfengine::kernels
