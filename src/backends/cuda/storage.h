// SPDX-License-Identifier: Apache-2.0
// How tensors between steps are stored on a GPU: how far apart their rows lie, and in which type.
#pragma once

#include <vector>

#include "backends/cuda/backend.h"

namespace tfengine::cuda {

// How far apart rows of `channels` elements begin: whole 16-byte pieces, which tensor cores take; images of a few channels,
// which kernels of ours read, are less padded.
int64_t padded_channels(DType dtype, int64_t channels);

// Sets dtype and pixel_stride of the values that only steps see.
void lay_out(const ir::Graph& graph, FloatStorage floats, std::vector<plan::TensorDesc>& descs);

}  // namespace tfengine::cuda
