// SPDX-License-Identifier: Apache-2.0
// Arguments of the INT8 depthwise kernels and where the parts of a thread's workspace lie. Not for use outside this folder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/depthwise_plan.h"

namespace tfengine::kernels {

struct DepthwiseInt8Args {
  const DepthwiseShape* shape;
  const DepthwisePlan* plan;
  bool src_signed;
  const uint8_t* src;
  const int8_t* weights;
  const Epilogue* epilogue;
  uint8_t* dst;
};

inline size_t round_up_64(size_t n) { return (n + 63) / 64 * 64; }

// Where the parts of one thread's workspace lie; `lanes` is the number of 16-bit lanes of a vector.
struct DepthwiseInt8Layout {
  int64_t pair_rows;  // that one output row touches
  int64_t tile_cols;  // output columns of a tile
  int64_t ring_cols;  // input columns of a tile
  size_t weights_at, constants_at, acc_at, rows_at, bytes;

  DepthwiseInt8Layout(const DepthwiseShape& s, int64_t lanes) {
    // Three quarters of the smallest first-level data cache (32 KiB) for the ring; weights and results use the rest.
    constexpr int64_t kRingBytes = 24 * 1024;
    pair_rows = s.kernel_h / 2 + 1;
    const int64_t col_bytes = 4 * lanes;
    const int64_t span = (s.kernel_w - 1) * s.dilation_w + 1;
    const int64_t cols = kRingBytes / (col_bytes * pair_rows);
    // At least 8 columns: a tile's overlap with its neighbour is paid for by them.
    tile_cols = std::clamp<int64_t>((cols - span) / s.stride_w + 1, 8, std::max<int64_t>(s.out_w, 8));
    ring_cols = (tile_cols - 1) * s.stride_w + span;
    weights_at = round_up_64(static_cast<size_t>(pair_rows * ring_cols * col_bytes));
    constants_at = weights_at + round_up_64(static_cast<size_t>(2 * pair_rows * s.kernel_w * col_bytes));
    acc_at = constants_at + round_up_64(static_cast<size_t>(lanes * 8));
    rows_at = acc_at + round_up_64(static_cast<size_t>(tile_cols * lanes * 4));
    bytes = rows_at + round_up_64(static_cast<size_t>(pair_rows) * sizeof(void*));
  }
};

}  // namespace tfengine::kernels
