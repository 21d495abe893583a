// SPDX-License-Identifier: Apache-2.0
// How a depthwise convolution is cut into units of work and tiles that stay in cache; shared by the INT8 and the float
// kernels, which differ only in arithmetic. Not for use outside this folder.
//
// Rows are seen in "virtual" coordinates. With dilation_h == 1 virtual row v is input row v - pad_top and output row y
// starts at v = y * stride_h. With dilation_h > 1 output rows fall into classes that share input rows: class r holds
// output rows r, r + d, ... and its virtual rows are input rows r - pad_top + v * d (for stride_h == 1); when stride_h > 1
// too, every output row is a class of its own. Inside a class the kernel is never dilated.
#pragma once

#include <algorithm>

#include "kernels/depthwise.h"

namespace tfengine::kernels {

// Channels of one unit: a cache line of 8-bit results, so that two threads never write to one line.
inline constexpr int64_t kDepthwiseGroup = 64;

struct DepthwisePlan {
  int64_t out_channels;
  int64_t groups;      // channel groups of kDepthwiseGroup
  int64_t classes;     // of output rows, see above
  int64_t class_step;  // output rows between rows of a class
  int64_t row_step;    // input rows between virtual rows
  int64_t v_stride;    // virtual rows between starts of rows of a class
  int64_t class_rows;  // output rows of the largest class
  int64_t tile_rows;   // output rows of a class in one unit
  int64_t row_tiles;
  int64_t units;

  struct Unit {
    int64_t image, group, first_out_row, rows, first_in_row, first_v;
  };

  Unit unit(const DepthwiseShape& s, int64_t index) const {
    Unit u;
    u.group = index % groups;
    index /= groups;
    const int64_t tile = index % row_tiles;
    index /= row_tiles;
    const int64_t cls = index % classes;
    u.image = index / classes;
    u.first_out_row = cls + tile * tile_rows * class_step;
    const int64_t left = cls < s.out_h ? (s.out_h - 1 - cls) / class_step + 1 - tile * tile_rows : 0;
    u.rows = std::clamp<int64_t>(left, 0, tile_rows);
    const int64_t single = s.dilation_h > 1 && s.stride_h > 1;
    // Input row of virtual row 0 of this class.
    u.first_in_row = (single ? cls * s.stride_h : (s.dilation_h > 1 ? cls : 0)) - s.pad_top;
    u.first_v = tile * tile_rows * v_stride;
    return u;
  }
};

inline DepthwisePlan plan_depthwise(const DepthwiseShape& s, int64_t elem_bytes, int threads) {
  // Input rows of a unit are read once per channel block, so they should stay in the second-level cache (256 KiB or more
  // on every x86-64 since 2013) from one block to the next, beside the results.
  constexpr int64_t kTileBytes = 128 * 1024;
  DepthwisePlan p;
  p.out_channels = s.channels * s.multiplier;
  p.groups = (p.out_channels + kDepthwiseGroup - 1) / kDepthwiseGroup;
  const bool dilated = s.dilation_h > 1;
  const bool single = dilated && s.stride_h > 1;
  p.classes = single ? s.out_h : (dilated ? std::min(s.dilation_h, s.out_h) : 1);
  p.class_step = single ? s.out_h : (dilated ? s.dilation_h : 1);
  p.row_step = s.dilation_h;
  p.v_stride = dilated ? 1 : s.stride_h;
  p.class_rows = single ? 1 : (s.out_h + p.class_step - 1) / p.class_step;
  const int64_t row_bytes = std::max<int64_t>(s.in_w * s.src_pixel_stride * elem_bytes, 1);
  const int64_t rows_in_cache = std::max<int64_t>(kTileBytes / row_bytes - s.kernel_h, 0);
  // Fewer rows than twice the kernel's would spend more on rows read twice than they save.
  p.tile_rows = std::max(rows_in_cache / p.v_stride, 2 * s.kernel_h);
  p.tile_rows = std::min(p.tile_rows, p.class_rows);
  p.row_tiles = (p.class_rows + p.tile_rows - 1) / p.tile_rows;
  // Even shares for every thread: units of equal size, at least four of them per thread if rows allow.
  while (p.row_tiles < p.class_rows && p.tile_rows > s.kernel_h &&
         s.batch * p.classes * p.row_tiles * p.groups < 4 * threads) {
    ++p.row_tiles;
    p.tile_rows = (p.class_rows + p.row_tiles - 1) / p.row_tiles;
  }
  p.tile_rows = (p.class_rows + p.row_tiles - 1) / p.row_tiles;
  p.row_tiles = (p.class_rows + p.tile_rows - 1) / p.tile_rows;
  p.units = s.batch * p.classes * p.row_tiles * p.groups;
  return p;
}

}  // namespace tfengine::kernels
