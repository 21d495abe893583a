// SPDX-License-Identifier: Apache-2.0
// How a direct convolution is cut into cache-sized, evenly shared parts: pure arithmetic on shapes. Not for use outside
// this folder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/conv_shape.h"

namespace tfengine::kernels {

inline constexpr int64_t kOcBlock = 16;  // output channels that a tile computes: two AVX2 vectors, one of AVX-512

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// The source is copied, widened and with its padding as zeros, in chunks of output rows. In the copy all weights of one
// kernel row lie on neighbouring elements (kernel_w * in_c of them: a run), so that a tile's inner loop sees few, long
// runs at offsets that are the same for every output pixel.
struct ConvPlan {
  ConvShape shape;             // a 1x1 convolution without padding is flattened to rows of one pixel
  int64_t in_c, out_c;         // of one group
  int64_t oc_blocks;           // of one group
  bool pointwise;              // one run, and the copy's pixels are output pixels
  int64_t step_h, step_w;      // source pixels between copied ones: a strided 1x1 convolution needs no others
  int64_t stride_h, stride_w;  // in copied pixels
  int64_t runs, run_len;       // run_len elements
  int64_t copy_cols;           // pixels of a copied row
  int64_t row_elems;           // elements of a copied row
  int64_t chunk_rows;          // output rows of a chunk, all of one image, or
  int64_t chunk_images;        // whole images of a chunk
  int64_t chunks_per_image;    // 1 when chunks are whole images
  int64_t chunks;
  int threads_m, threads_n;  // grid of threads over chunks and over blocks of output channels

  ConvPlan(const ConvShape& s, int threads);

  int64_t run_offset(int64_t run) const;  // elements of the copy
  // Runs so short that starting one costs as much as its products.
  bool lists_pairs() const { return !pointwise && runs > 1 && run_len <= 48; }
  int64_t copied_rows(int64_t out_rows) const {
    return (out_rows - 1) * stride_h + (shape.kernel_h - 1) * shape.dilation_h + 1;
  }
  int64_t image_elems(int64_t out_rows) const { return copied_rows(out_rows) * row_elems; }
  int64_t chunk_pixels() const { return chunk_images * chunk_rows * shape.out_w; }
};

}  // namespace tfengine::kernels
