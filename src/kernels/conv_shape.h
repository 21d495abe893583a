// SPDX-License-Identifier: Apache-2.0
// The geometry of a convolution over NHWC tensors. A dense layer [M, K] x [K, N] is the 1x1 convolution of M images of one
// pixel: dense_shape().
#pragma once

#include <cstdint>

namespace tfengine::kernels {

// Pixel strides are elements between neighbouring pixels, at least the tensor's channels: a tensor may be a channel slice
// of a wider one. Rows and images follow each other without gaps. Padding below and right follows from out_h and out_w.
// Padded pixels have the integer value 0.
struct ConvShape {
  int64_t batch = 1;
  int64_t in_h = 1, in_w = 1, in_c = 1;
  int64_t out_h = 1, out_w = 1, out_c = 1;
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0;
  int64_t groups = 1;
  int64_t src_pixel_stride = 1, dst_pixel_stride = 1;
};

inline ConvShape dense_shape(int64_t rows, int64_t in_c, int64_t out_c) {
  ConvShape s;
  s.batch = rows;
  s.in_c = s.src_pixel_stride = in_c;
  s.out_c = s.dst_pixel_stride = out_c;
  return s;
}

}  // namespace tfengine::kernels
