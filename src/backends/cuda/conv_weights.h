// SPDX-License-Identifier: Apache-2.0
// Constant weights as the GPU's kernels read them, packed onto the device.
#pragma once

#include "backends/cuda/conv_layer.h"

namespace tfengine::cuda {

// [out][kernel_h][kernel_w][in / groups] with channels padded, from TensorFlow's [kernel_h, kernel_w, in, out] or [k, n].
template <typename T>
void write_krsc(const Layer& layer, const T* from, int64_t in_pitch, T* to) {
  const ConvShape& s = layer.shape;
  const int64_t depth = layer.depthwise ? 1 : s.in_c / s.groups;
  for (int64_t k = 0; k < s.out_c; ++k) {
    for (int64_t tap = 0; tap < int64_t{s.kernel_h} * s.kernel_w; ++tap) {
      for (int64_t c = 0; c < depth; ++c) {
        const int64_t at = layer.weights_transposed ? k * depth + c : (tap * depth + c) * s.out_c + k;
        to[(k * s.kernel_h * s.kernel_w + tap) * in_pitch + c] = from[at];
      }
    }
  }
}

// The same on the device, in the type that is multiplied. `in_pitch` and `out_rows`: with padding, which is zero.
std::shared_ptr<const void> pack_krsc(PackedStore& store, const Layer& layer, const Tensor& weights, Elem source,
                                      int64_t in_pitch, int64_t out_rows);
// [kernel_h][kernel_w][pitch], for one filter per channel.
std::shared_ptr<const void> pack_depthwise(PackedStore& store, const Layer& layer, const Tensor& weights, Elem source);

}  // namespace tfengine::cuda
