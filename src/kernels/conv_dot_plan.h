// SPDX-License-Identifier: Apache-2.0
// How a convolution is cut into products of a matrix of source bytes with panels of weights: pure arithmetic on shapes. Not
// for use outside this folder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/conv_plan.h"
#include "kernels/conv_shape.h"

namespace tfengine::kernels {

// Rows are output pixels of all images, inputs are the bytes under one: [kernel row][kernel column][input]. Columns are
// finished kPanel at a time, a cache line of bytes.
struct DotPlan {
  static constexpr int64_t kPanel = 64;
  static constexpr int64_t kMove = 32;  // bytes of a copy of one short run

  // Where the rows come from.
  enum class Source : uint8_t {
    InPlace,  // rows are the source's pixels
    Pixels,   // gathered, pixel by pixel
    Runs,     // gathered, each kernel row of few bytes as one run, from a padded copy of the source's rows
  };

  ConvShape shape;
  bool is_signed;  // signed bytes are multiplied as unsigned ones that are 128 larger
  Source source;
  int64_t rows, quads;
  int64_t oc_blocks, panels;
  int64_t chunk_rows, chunks;
  int threads_m = 1, threads_n = 1;

  DotPlan(const ConvShape& s, bool is_signed, int threads);

  int64_t pitch() const { return 4 * quads; }
  int64_t block_bytes() const { return pitch() * kOcBlock; }
  int64_t run_bytes() const { return shape.kernel_w * shape.in_c; }
  // Bytes of the source's row that some kernel sees, and what a copied run may read beyond.
  int64_t strip_bytes() const { return ((shape.out_w - 1) * shape.stride_w + shape.kernel_w) * shape.in_c; }
  int64_t strip_pitch() const { return round_up(strip_bytes() + kMove, 64); }

  // A thread's scratch: gathered rows, then the padded copies of kernel_h source rows, then one row of equal bytes.
  int64_t gathered_bytes() const { return source == Source::InPlace ? 0 : round_up(chunk_rows * pitch() + kMove, 64); }
  int64_t strips_bytes() const { return source == Source::Runs ? shape.kernel_h * strip_pitch() : 0; }
  int64_t constant_row_bytes() const { return is_signed ? round_up(pitch(), 64) : 0; }
  size_t scratch_bytes() const { return static_cast<size_t>(gathered_bytes() + strips_bytes() + constant_row_bytes()); }
};

}  // namespace tfengine::kernels
