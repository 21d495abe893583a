// SPDX-License-Identifier: Apache-2.0
// The algorithm ConvInt8Algo::Winograd; see conv_int8.h for the contract of each function. Not for use outside this folder.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/ahead.h"
#include "kernels/conv_shape.h"
#include "kernels/epilogue.h"

namespace tfengine::kernels::conv_winograd_int8 {

bool supports(const ConvShape& shape, Elem src_elem, const int8_t* weights);
size_t packed_bytes(const ConvShape& shape);
void pack(const ConvShape& shape, const int8_t* weights, int8_t* packed);
size_t workspace_bytes(const ConvShape& shape, int threads);
void run(const ConvShape& shape, Elem src_elem, const void* src, const int8_t* packed, const Epilogue& epilogue,
         void* dst, std::byte* workspace, int threads, const Ahead& ahead);

}  // namespace tfengine::kernels::conv_winograd_int8
