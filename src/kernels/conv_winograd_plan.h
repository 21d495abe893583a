// SPDX-License-Identifier: Apache-2.0
// How a Winograd convolution F(4x4, 3x3) is cut into cache-sized, evenly shared parts: arithmetic on shapes, common to
// INT8 and float. Not for use outside this folder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/conv_plan.h"
#include "kernels/conv_shape.h"

namespace tfengine::kernels {

// What the transformed values of an algorithm are.
struct WinogradElems {
  int64_t depth;  // input channels that one step of the inner loop takes: weights are packed [.. depth][tap][16][depth]
  int64_t mid_bytes;  // of a transformed value
  // Cycles per `depth` input channels, measured on Zen 3: a tile and a block of output channels (36 positions), transforming
  // a block's weights, transforming a tile's source; and, once, finishing a tile's results of a block.
  double multiply, weights, source, finish;
};
inline constexpr WinogradElems kWinogradInt8{2, 2, 48.0, 90.0, 12.0, 300.0};
inline constexpr WinogradElems kWinogradF32{1, 4, 40.0, 90.0, 12.0, 250.0};

// Blocks of output channels that a wide target multiplies together.
inline constexpr int64_t kWinogradBlocks = 2;

inline bool is_winograd_shape(const ConvShape& s) {
  return s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 &&
         s.dilation_w == 1 && s.groups == 1 && s.in_c >= kOcBlock;
}

struct WinogradPlan {
  ConvShape shape;
  WinogradElems elems;
  int64_t tiles_h, tiles_w, tile_rows;  // of an image; tile_rows of all images
  int64_t steps;                        // of the inner loop
  int64_t run_steps;                    // whose transformed weights are in the cache together
  int64_t oc_blocks;
  int64_t chunk_rows, chunk_cols;  // in tiles, of the largest chunk
  int64_t chunks_w, chunks;        // of a tile row; of all
  int threads_m = 1, threads_n = 1;

  WinogradPlan(const ConvShape& s, const WinogradElems& e, int threads);

  int64_t mid_c() const { return steps * elems.depth; }  // input channels, rounded up
  int64_t chunk_tiles() const { return chunk_rows * chunk_cols; }
  int64_t block_weights() const { return steps * 9 * elems.depth * kOcBlock; }  // elements

 private:
  int64_t max_chunk_tiles() const;
  double cost(int m, int n) const;
};

// Where the parts of a thread's scratch lie, and the elements from one of the 36 positions to the next.
struct WinogradScratch {
  int64_t source_stride;
  int64_t weights_stride;  // a cache line more than a power of two, else all positions share a few sets of the cache
  int64_t block_sums;      // elements from one block's sums to the next's
  size_t zeros_at = 0, source_at, weights_at, sums_at, results_at, bytes;

  explicit WinogradScratch(const WinogradPlan& p);
};

}  // namespace tfengine::kernels
