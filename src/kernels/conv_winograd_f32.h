// SPDX-License-Identifier: Apache-2.0
// Float 3x3 convolution (stride 1, dilation 1) over NHWC tensors by Winograd's F(4x4, 3x3): a quarter of the
// multiplications. Rounding errors are two to three times those of a direct convolution, about 1e-6 of the result's range: a
// planner that needs the direct sums bit by bit must not take it. Allocates nothing; every buffer is the caller's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/conv_shape.h"
#include "kernels/epilogue.h"

namespace tfengine::kernels {

bool conv_winograd_f32_supports(const ConvShape& shape);

// Weights come as TensorFlow stores them: [3][3][in_c][out_c]. Packed weights do not depend on the CPU and take the size of
// the weights with output channels rounded up to 16; 64-byte alignment is good for speed and not required.
size_t conv_winograd_f32_packed_bytes(const ConvShape& shape);
void conv_winograd_f32_pack(const ConvShape& shape, const float* weights, void* packed);

// `workspace` is 64-byte aligned. epilogue.scale, bias: one value per output channel. epilogue.residual may be `dst` itself.
size_t conv_winograd_f32_workspace_bytes(const ConvShape& shape, int threads);
void conv_winograd_f32_run(const ConvShape& shape, const float* src, const void* packed, const Epilogue& epilogue,
                           void* dst, void* workspace, int threads);

}  // namespace tfengine::kernels
