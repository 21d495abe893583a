// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv_int8.h"

#include "kernels/conv_direct_int8.h"
#include "kernels/conv_dot_int8.h"
#include "kernels/conv_split_int8.h"
#include "kernels/conv_winograd_int8.h"

namespace tfengine::kernels {

const char* conv_int8_name(ConvInt8Algo algo) {
  switch (algo) {
    case ConvInt8Algo::Dot:
      return "dot";
    case ConvInt8Algo::Direct:
      return "direct";
    case ConvInt8Algo::Split:
      return "split";
    case ConvInt8Algo::Winograd:
      return "winograd";
  }
  return "?";
}

bool conv_int8_supports(ConvInt8Algo algo, const ConvShape& shape, Elem src_elem, const int8_t* weights) {
  switch (algo) {
    case ConvInt8Algo::Dot:
      return conv_dot_int8::supports(shape, src_elem);
    case ConvInt8Algo::Direct:
      return src_elem != Elem::F32;
    case ConvInt8Algo::Split:
      return conv_split_int8::supports(shape, src_elem);
    case ConvInt8Algo::Winograd:
      return conv_winograd_int8::supports(shape, src_elem, weights);
  }
  return false;
}

size_t conv_int8_packed_bytes(ConvInt8Algo algo, const ConvShape& shape) {
  switch (algo) {
    case ConvInt8Algo::Dot:
      return conv_dot_int8::packed_bytes(shape);
    case ConvInt8Algo::Direct:
      return conv_direct_int8::packed_bytes(shape);
    case ConvInt8Algo::Split:
      return conv_split_int8::packed_bytes(shape);
    case ConvInt8Algo::Winograd:
      return conv_winograd_int8::packed_bytes(shape);
  }
  return 0;
}

void conv_int8_pack(ConvInt8Algo algo, const ConvShape& shape, const int8_t* weights, void* packed) {
  auto* to = static_cast<int8_t*>(packed);
  switch (algo) {
    case ConvInt8Algo::Dot:
      return conv_dot_int8::pack(shape, weights, to);
    case ConvInt8Algo::Direct:
      return conv_direct_int8::pack(shape, weights, to);
    case ConvInt8Algo::Split:
      return conv_split_int8::pack(shape, weights, to);
    case ConvInt8Algo::Winograd:
      return conv_winograd_int8::pack(shape, weights, to);
  }
}

size_t conv_int8_workspace_bytes(ConvInt8Algo algo, const ConvShape& shape, int threads) {
  switch (algo) {
    case ConvInt8Algo::Dot:
      return conv_dot_int8::workspace_bytes(shape, threads);
    case ConvInt8Algo::Direct:
      return conv_direct_int8::workspace_bytes(shape, threads);
    case ConvInt8Algo::Split:
      return conv_split_int8::workspace_bytes(shape, threads);
    case ConvInt8Algo::Winograd:
      return conv_winograd_int8::workspace_bytes(shape, threads);
  }
  return 0;
}

void conv_int8_run(ConvInt8Algo algo, const ConvShape& shape, Elem src_elem, const void* src, const void* packed,
                   const Epilogue& epilogue, void* dst, void* workspace, int threads, const Ahead& ahead) {
  const auto* weights = static_cast<const int8_t*>(packed);
  auto* scratch = static_cast<std::byte*>(workspace);
  switch (algo) {
    case ConvInt8Algo::Dot:
      return conv_dot_int8::run(shape, src, weights, epilogue, dst, scratch, threads, ahead);
    case ConvInt8Algo::Direct:
      return conv_direct_int8::run(shape, src_elem, src, weights, epilogue, dst, scratch, threads);
    case ConvInt8Algo::Split:
      return conv_split_int8::run(shape, src_elem, src, weights, epilogue, dst, scratch, threads);
    case ConvInt8Algo::Winograd:
      return conv_winograd_int8::run(shape, src_elem, src, weights, epilogue, dst, scratch, threads, ahead);
  }
}

}  // namespace tfengine::kernels
