// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution over NHWC tensors, INT8 and float: each output channel reads one input channel
// (output channel = input channel * multiplier + m, TensorFlow's order). Grouped convolution is not here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/epilogue.h"

namespace tfengine::kernels {

// `channels` are the input's; the output has channels * multiplier. Pixel strides are elements between
// neighbouring pixels, at least the tensor's channels: a tensor may be a channel slice of a wider one. Rows
// follow each other without gaps (row stride = width * pixel stride). Padding below and right follows from
// out_h and out_w.
struct DepthwiseShape {
  int64_t batch = 1;
  int64_t in_h = 1, in_w = 1;
  int64_t channels = 1;
  int64_t multiplier = 1;
  int64_t out_h = 1, out_w = 1;
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0;
  int64_t src_pixel_stride = 1;
  int64_t dst_pixel_stride = 1;
  // INT8: what pixels beyond the image hold, as u8 or s8: the source's zero point, whose product with the weights the bias
  // takes out again.
  int pad_value = 0;
};

// Weights come as TensorFlow stores them: [kernel_h][kernel_w][channels][multiplier]. Packed weights do not
// depend on the CPU, so they may be stored in a file, and take no more bytes than the weights. `workspace`
// holds depthwise_*_workspace_bytes(shape, threads) bytes, 64-byte aligned. epilogue.scale, bias: one value
// per output channel. epilogue.residual may be `dst` itself.
size_t depthwise_int8_packed_bytes(const DepthwiseShape& shape);
void depthwise_int8_pack(const DepthwiseShape& shape, const int8_t* weights, void* packed);
size_t depthwise_int8_workspace_bytes(const DepthwiseShape& shape, int threads);
void depthwise_int8_run(const DepthwiseShape& shape, Elem src_elem, const void* src, const void* packed,
                        const Epilogue& epilogue, void* dst, void* workspace, int threads);

size_t depthwise_f32_packed_bytes(const DepthwiseShape& shape);
void depthwise_f32_pack(const DepthwiseShape& shape, const float* weights, void* packed);
size_t depthwise_f32_workspace_bytes(const DepthwiseShape& shape, int threads);
void depthwise_f32_run(const DepthwiseShape& shape, const float* src, const void* packed, const Epilogue& epilogue,
                       void* dst, void* workspace, int threads);

}  // namespace tfengine::kernels
