// SPDX-License-Identifier: Apache-2.0
// Our own GPU kernels over raw device pointers: what cuDNN has no form of, or no fast one. Each function puts one kernel into
// a stream and throws BackendFailure when the launch is refused. Rows of channels lie `pitch` elements apart; the elements
// between a row's end and the next row are written with zeros where a kernel makes a tensor anew.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "base/activation.h"

namespace tfengine::cuda {

enum class Elem : uint8_t { F32, F16, S8, S32 };

// real = scale * element (1 for floats).
struct View {
  const void* data = nullptr;
  Elem elem = Elem::F32;
  float scale = 1.0f;
  int64_t pitch = 0;
};
struct Target {
  void* data = nullptr;
  Elem elem = Elem::F32;
  float inv_scale = 1.0f;
  int64_t pitch = 0;
};

// For output channel c, with the accumulator acc: r = acc * scale[c] + bias[c]; r = before(r); r += residual; r = after(r).
// Null scale: 1; null bias: 0.
struct ConvEpilogue {
  const float* scale = nullptr;
  const float* bias = nullptr;
  Act before, after;
  View residual;  // no data: none
};

struct ConvShape {
  int batch = 1, in_h = 1, in_w = 1, in_c = 1;
  int out_h = 1, out_w = 1, out_c = 1;
  int kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_left = 0;
  int groups = 1;
};

// src and dst may have any types.
void convert(cudaStream_t stream, const View& src, const Target& dst, int64_t rows, int64_t channels);

// Weights [out_c][kernel_h][kernel_w][in_c / groups], of the source's type. Slow, for any convolution. `out_c` channels are
// computed; the rest of a row is zero.
void conv_direct(cudaStream_t stream, const ConvShape& shape, const View& src, const void* weights,
                 const ConvEpilogue& epilogue, const Target& dst);

// A convolution whose source has at most four channels, dense, s8 or float (then quantized with `quantize` on the way in), into
// s8 rows. Weights as first_conv_pack() lays them out.
struct FirstConvPlan {
  int row_bytes = 0;  // of one kernel row, padded to whole words
  int depth = 0;      // of the matrix product, padded
  int out_c = 0;      // padded to 8
  size_t packed_bytes() const { return static_cast<size_t>(depth) * static_cast<size_t>(out_c); }
};
bool first_conv_takes(const ConvShape& shape);
FirstConvPlan first_conv_plan(const ConvShape& shape);
// From KRSC.
void first_conv_pack(const ConvShape& shape, const int8_t* weights, int8_t* packed);
void first_conv(cudaStream_t stream, const ConvShape& shape, const View& src, float quantize, const void* packed,
                const ConvEpilogue& epilogue, const Target& dst);

// One filter per channel; weights [kernel_h][kernel_w][pitch of the source], channels a multiple of 4 with the padding.
void depthwise(cudaStream_t stream, const ConvShape& shape, const View& src, const void* weights,
               const ConvEpilogue& epilogue, const Target& dst);

enum class PoolKind : uint8_t { Max, Average };
// Averages count what lies inside the image.
void pool(cudaStream_t stream, PoolKind kind, const ConvShape& shape, const View& src, const Act& act,
          const Target& dst);
// Of every channel over `pixels` pixels.
void global_mean(cudaStream_t stream, int batch, int pixels, int channels, const View& src, const Act& act,
                 const Target& dst);

constexpr int kMaxDims = 6;
// dst[i] = src[sum i * src_strides]; strides in elements of any size of 1, 2, 4 or 8 bytes.
struct StridedCopy {
  int rank = 0;
  int64_t dims[kMaxDims] = {};
  int64_t src_strides[kMaxDims] = {}, dst_strides[kMaxDims] = {};
  int element_bytes = 1;
};
void strided_copy(cudaStream_t stream, const StridedCopy& copy, const void* src, void* dst);

enum class EltOp : uint8_t {
  Identity,
  Abs,
  Neg,
  Square,
  Sqrt,
  Rsqrt,
  Exp,
  Log,
  Erf,
  Erfc,
  Reciprocal,
  Floor,
  Ceil,
  Round,
  Sign,
  Selu,
  Softsign,
  Activation,  // `act`
  Add,
  Sub,
  Mul,
  Div,
  Max,
  Min,
  SquaredDifference,
  Pow,
  FloorDiv
};
// r = op(a, b); unary ops leave b alone. Operands are broadcast by strides of 0.
struct Eltwise {
  EltOp op = EltOp::Identity;
  Act argument;  // of Activation
  Act act;       // behind it
  int rank = 0;
  int64_t dims[kMaxDims] = {};
  int64_t a_strides[kMaxDims] = {}, b_strides[kMaxDims] = {}, dst_strides[kMaxDims] = {};
};
void eltwise(cudaStream_t stream, const Eltwise& step, const View& a, const View& b, const Target& dst);
// x * scale[channel] + offset[channel].
void affine(cudaStream_t stream, const View& src, const float* scale, const float* offset, const Act& act,
            const Target& dst, int64_t rows, int64_t channels);

// C = A * B for each matrix of a batch, whose operands may be broadcast by strides of 0. The rows of a matrix as it lies in memory
// are its view's pitch apart; `m`, `n` and `k` are of the product.
struct MatmulShape {
  int64_t m = 1, n = 1, k = 1;
  bool a_transposed = false, b_transposed = false;
  int batch_rank = 0;
  int64_t batch_dims[kMaxDims] = {}, a_batch_strides[kMaxDims] = {}, b_batch_strides[kMaxDims] = {};
};
// Multiplies halves, to which floats are rounded, or TF32. Sums are floats: those of 8-bit integers are exact as halves up to
// 1040 products.
void matmul(cudaStream_t stream, const MatmulShape& shape, const View& a, const View& b, bool halves,
            const ConvEpilogue& epilogue, const Target& dst);

// softmax(scale * q k^T + mask) v for each head of each sample. Tokens lie [sample][token][head], each head's elements a view's
// pitch apart; the mask's columns are dense, and its strides 0 where it is the same for all.
struct AttentionShape {
  int64_t batch = 1, heads = 1, rows = 1, columns = 1;
  int64_t depth = 1, width = 1;  // elements of queries and keys, and of values, for each head
  float scale = 1.0f;
  int64_t mask_batch_stride = 0, mask_head_stride = 0, mask_row_stride = 0;
};
bool attention_takes(int64_t batch, int64_t heads, int64_t depth, int64_t width);
// Multiplies halves. A mask without data is none.
void attention(cudaStream_t stream, const AttentionShape& shape, const View& q, const View& k, const View& v,
               const View& mask, const Target& dst);

void softmax(cudaStream_t stream, const View& src, const Target& dst, int64_t rows, int64_t channels, bool log);
void layer_norm(cudaStream_t stream, const View& src, const float* gamma, const float* beta, float epsilon,
                const Target& dst, int64_t rows, int64_t channels);

enum class ReduceKind : uint8_t { Mean, Sum, Max, Min, Prod };
// Over `inner` elements `stride` apart, for each of outer x stride results: axes that lie together.
void reduce(cudaStream_t stream, ReduceKind kind, const void* src, Elem elem, int64_t outer, int64_t inner,
            int64_t stride, void* dst);

struct ResizeShape {
  int batch = 1, in_h = 1, in_w = 1, out_h = 1, out_w = 1, channels = 1;
  float scale_h = 1.0f, scale_w = 1.0f;
  bool align_corners = false, half_pixel_centers = false;
};
void resize_nearest(cudaStream_t stream, const ResizeShape& shape, const View& src, const Target& dst);
void resize_bilinear(cudaStream_t stream, const ResizeShape& shape, const View& src, const Target& dst);

// Rows of `row_bytes` bytes picked by indices (s32 or s64); those out of range give zeros.
void gather_rows(cudaStream_t stream, const void* table, int64_t table_rows, const void* indices, int index_bytes,
                 int64_t count, int64_t row_bytes, void* dst);

}  // namespace tfengine::cuda
