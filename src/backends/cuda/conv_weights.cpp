// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/conv_weights.h"

#include <fmt/core.h>

#include <cstring>

#include "ops/numeric.h"

namespace tfengine::cuda {

namespace {

// Weights in the type that is multiplied; half precision is rounded here.
Tensor typed_weights(const Tensor& weights, Elem source) {
  if (source == Elem::S8) return weights;
  return ops::cast_tensor(weights, source == Elem::F16 ? DType::F16 : DType::F32);
}

size_t elem_bytes(Elem elem) {
  switch (elem) {
    case Elem::S8:
      return 1;
    case Elem::F16:
      return 2;
    default:
      return 4;
  }
}

}  // namespace

std::shared_ptr<const void> pack_krsc(PackedStore& store, const Layer& layer, const Tensor& weights, Elem source,
                                      int64_t in_pitch, int64_t out_rows) {
  const ConvShape& s = layer.shape;
  const size_t bytes = static_cast<size_t>(out_rows * s.kernel_h * s.kernel_w * in_pitch) * elem_bytes(source);
  const std::string form = fmt::format("krsc {} {} {} {} {}", static_cast<int>(source), s.groups, in_pitch, out_rows,
                                       layer.weights_transposed);
  return store.get(weights, form, bytes, [&](void* to) {
    std::memset(to, 0, bytes);
    const Tensor typed = typed_weights(weights, source);
    if (source == Elem::S8) {
      write_krsc(layer, typed.as<int8_t>(), in_pitch, static_cast<int8_t*>(to));
    } else if (source == Elem::F16) {
      write_krsc(layer, typed.as<uint16_t>(), in_pitch, static_cast<uint16_t*>(to));
    } else {
      write_krsc(layer, typed.as<float>(), in_pitch, static_cast<float*>(to));
    }
  });
}

std::shared_ptr<const void> pack_depthwise(PackedStore& store, const Layer& layer, const Tensor& weights, Elem source) {
  const ConvShape& s = layer.shape;
  const size_t bytes = static_cast<size_t>(s.kernel_h * s.kernel_w * layer.src_pitch) * elem_bytes(source);
  return store.get(
      weights, fmt::format("depthwise {} {}", static_cast<int>(source), layer.src_pitch), bytes, [&](void* to) {
        std::memset(to, 0, bytes);
        const Tensor typed = typed_weights(weights, source);
        const size_t row = static_cast<size_t>(s.in_c) * elem_bytes(source);
        for (int64_t tap = 0; tap < int64_t{s.kernel_h} * s.kernel_w; ++tap) {
          std::memcpy(static_cast<std::byte*>(to) + static_cast<size_t>(tap * layer.src_pitch) * elem_bytes(source),
                      typed.as<std::byte>() + static_cast<size_t>(tap) * row, row);
        }
      });
}

}  // namespace tfengine::cuda
