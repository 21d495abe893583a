// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv_int8.h"

#include "kernels/conv_int8_kernel.h"

namespace tfengine::kernels {
namespace {

const ConvInt8Kernel& kernel_of(ConvInt8Algo algo) {
  constexpr const ConvInt8Kernel* kKernels[] = {&kConvDotInt8, &kConvDirectInt8, &kConvSplitInt8, &kConvWinogradInt8};
  return *kKernels[static_cast<size_t>(algo)];
}

}  // namespace

const char* conv_int8_name(ConvInt8Algo algo) { return kernel_of(algo).name; }

bool conv_int8_supports(ConvInt8Algo algo, const ConvShape& shape, Elem src_elem, const int8_t* weights) {
  return src_elem != Elem::F32 && kernel_of(algo).supports(shape, src_elem, weights);
}

size_t conv_int8_packed_bytes(ConvInt8Algo algo, const ConvShape& shape) { return kernel_of(algo).packed_bytes(shape); }

void conv_int8_pack(ConvInt8Algo algo, const ConvShape& shape, const int8_t* weights, void* packed) {
  kernel_of(algo).pack(shape, weights, static_cast<int8_t*>(packed));
}

size_t conv_int8_workspace_bytes(ConvInt8Algo algo, const ConvShape& shape, Elem src_elem, int threads) {
  return kernel_of(algo).workspace_bytes(shape, src_elem, threads);
}

void conv_int8_run(ConvInt8Algo algo, const ConvShape& shape, Elem src_elem, const void* src, const void* packed,
                   const Epilogue& epilogue, void* dst, void* workspace, int threads, const Ahead& ahead) {
  kernel_of(algo).run(shape, {src_elem, static_cast<const uint8_t*>(src), static_cast<const int8_t*>(packed), &epilogue,
                              dst, static_cast<std::byte*>(workspace), threads, ahead});
}

}  // namespace tfengine::kernels
