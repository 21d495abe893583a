// SPDX-License-Identifier: Apache-2.0
// Convolution of unsigned bytes with the dot-product instruction of AVX512_VNNI. Part of conv_int8.h, whose contract holds.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/ahead.h"
#include "kernels/conv_shape.h"
#include "kernels/epilogue.h"

namespace tfengine::kernels::conv_dot_int8 {

bool supports(const ConvShape& shape, Elem src_elem);
size_t packed_bytes(const ConvShape& shape);
void pack(const ConvShape& shape, const int8_t* weights, int8_t* packed);
size_t workspace_bytes(const ConvShape& shape, int threads);
void run(const ConvShape& shape, const void* src, const int8_t* packed, const Epilogue& epilogue, void* dst,
         std::byte* workspace, int threads, const Ahead& ahead);

}  // namespace tfengine::kernels::conv_dot_int8
