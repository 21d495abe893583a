// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv_int8.h"

#include "kernels/conv_direct_int8.h"

namespace tfengine::kernels {

const char* conv_int8_name(ConvInt8Algo algo) {
  switch (algo) {
    case ConvInt8Algo::Direct:
      return "direct";
    case ConvInt8Algo::Winograd:
      return "winograd";
  }
  return "?";
}

bool conv_int8_supports(ConvInt8Algo algo, const ConvShape&, Elem, const int8_t*) {
  return algo == ConvInt8Algo::Direct;
}

size_t conv_int8_packed_bytes(ConvInt8Algo, const ConvShape& shape) { return conv_direct_int8::packed_bytes(shape); }

void conv_int8_pack(ConvInt8Algo, const ConvShape& shape, const int8_t* weights, void* packed) {
  conv_direct_int8::pack(shape, weights, static_cast<int8_t*>(packed));
}

size_t conv_int8_workspace_bytes(ConvInt8Algo, const ConvShape& shape, int threads) {
  return conv_direct_int8::workspace_bytes(shape, threads);
}

void conv_int8_run(ConvInt8Algo, const ConvShape& shape, Elem src_elem, const void* src, const void* packed,
                   const Epilogue& epilogue, void* dst, void* workspace, int threads) {
  conv_direct_int8::run(shape, src_elem, src, static_cast<const int8_t*>(packed), epilogue, dst,
                        static_cast<std::byte*>(workspace), threads);
}

}  // namespace tfengine::kernels
