// SPDX-License-Identifier: Apache-2.0
// INT8 convolution and dense layers over NHWC tensors with exact 32-bit accumulators: u8 or s8 sources, s8 weights, zero
// points 0. Depthwise convolution is in depthwise.h. Allocates nothing; every buffer is the caller's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/ahead.h"
#include "kernels/conv_shape.h"
#include "kernels/epilogue.h"

namespace tfengine::kernels {

// Different ways to the same exact sums; the planner times the supported ones. Their packed weights differ.
//   Dot       CPUs with AVX512_VNNI: products of bytes, weights fetched ahead
//   Direct    every shape: sources widened to 16 bits, pairs of products per instruction
//   Split     1x1 and dense layers: 7 bits of each source value at twice the rate, the rest where it is not 0. Fast when
//             few values exceed half the range, as activations do: time it with such data, not with uniform random bytes
//   Winograd  3x3, stride 1, dilation 1: F(4x4, 3x3) in integers, a quarter of the multiplications
enum class ConvInt8Algo : uint8_t { Dot, Direct, Split, Winograd };
inline constexpr ConvInt8Algo kConvInt8Algos[] = {ConvInt8Algo::Dot, ConvInt8Algo::Direct, ConvInt8Algo::Split,
                                                  ConvInt8Algo::Winograd};

const char* conv_int8_name(ConvInt8Algo algo);

// Whether `algo` runs this shape and gives exact sums for every possible source. `weights` are as for conv_int8_pack;
// null: the shape alone is judged, for weights that were judged before.
bool conv_int8_supports(ConvInt8Algo algo, const ConvShape& shape, Elem src_elem, const int8_t* weights);

// Weights come as TensorFlow stores them: [kernel_h][kernel_w][in_c / groups][out_c]. Packed weights do not depend on the
// CPU, so they may be stored in a file; they take the size of the weights with channels rounded up (outputs to 16, inputs
// to 2 or 8). 64-byte alignment of `packed` is good for speed and not required.
size_t conv_int8_packed_bytes(ConvInt8Algo algo, const ConvShape& shape);
void conv_int8_pack(ConvInt8Algo algo, const ConvShape& shape, const int8_t* weights, void* packed);

// `workspace` holds conv_int8_workspace_bytes(algo, shape, src_elem, threads) bytes, 64-byte aligned. epilogue.scale, bias: one
// value per output channel. epilogue.residual may be `dst` itself; src and dst must not overlap otherwise. `ahead`: what is
// read after this; some algorithms fetch it meanwhile.
size_t conv_int8_workspace_bytes(ConvInt8Algo algo, const ConvShape& shape, Elem src_elem, int threads);
void conv_int8_run(ConvInt8Algo algo, const ConvShape& shape, Elem src_elem, const void* src, const void* packed,
                   const Epilogue& epilogue, void* dst, void* workspace, int threads, const Ahead& ahead = {});

}  // namespace tfengine::kernels
