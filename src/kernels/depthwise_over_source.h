// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution whose results are stored over the source, from its start on. With a stride of 2 a row of results takes
// half of the room of a row of the source, and lies in front of what later rows read. Threads take pieces of rows in turn, and
// before one stores its rows, those that read what lies there are waited for: few, near the beginning, later long finished.
// Not for use outside this folder.
#pragma once

#include <atomic>
#include <cstring>
#include <thread>

#include "kernels/depthwise_plan.h"
#include "kernels/parallel.h"

namespace tfengine::kernels {

// Whether results, computed row by row and each row from left to right, may be stored so: in front of all that later ones read.
inline bool depthwise_fits_over_source(const DepthwiseShape& s) {
  if (s.multiplier != 1 || s.dilation_h != 1 || s.dilation_w != 1 || s.src_pixel_stride != s.channels ||
      s.dst_pixel_stride != s.channels || s.out_h * s.out_w >= s.in_h * s.in_w) {
    return false;
  }
  for (int64_t y = 0; y < s.out_h; ++y) {
    const int64_t row = std::max<int64_t>(y * s.stride_h - s.pad_top, 0) * s.in_w;
    const int64_t next_row = std::max<int64_t>((y + 1) * s.stride_h - s.pad_top, 0) * s.in_w;
    if (y + 1 < s.out_h && (y + 1) * s.out_w > next_row) return false;
    for (int64_t x = 0; x + 1 < s.out_w; ++x) {
      const int64_t next = row + std::max<int64_t>((x + 1) * s.stride_w - s.pad_left, 0);
      if (y * s.out_w + x >= next) return false;
    }
  }
  return true;
}

// The last row of results, counted through all images, that reads from what row `row` is stored over.
inline int64_t depthwise_last_reader(const DepthwiseShape& s, int64_t row) {
  const int64_t in_row = ((row + 1) * s.out_w - 1) / s.in_w;  // of the source, through all images
  const int64_t image = in_row / s.in_h;
  const int64_t y = std::min((in_row % s.in_h + s.pad_top) / s.stride_h, s.out_h - 1);
  return image * s.out_h + y;
}

// A flag for each row of results.
inline size_t depthwise_over_source_bytes(const DepthwiseShape& s) {
  return (static_cast<size_t>(s.batch * s.out_h) + 63) / 64 * 64;
}

inline DepthwisePlan plan_depthwise_over_source(const DepthwiseShape& s, int64_t elem_bytes, int threads) {
  DepthwisePlan p = plan_depthwise(s, elem_bytes, 1);
  // Pieces of a few rows: the first ones wait for each other.
  if (threads > 1) p.tile_rows = std::clamp<int64_t>(s.out_h / (4 * threads), 1, p.tile_rows);
  p.row_tiles = (p.class_rows + p.tile_rows - 1) / p.tile_rows;
  p.units = s.batch * p.row_tiles * p.groups;
  return p;
}

// `flags` holds depthwise_over_source_bytes(s). `run(begin, end, thread)` runs units of the plan.
template <class Run>
void run_depthwise_over_source(const DepthwiseShape& s, const DepthwisePlan& p, double total_ns, int threads,
                               uint8_t* flags, const Run& run) {
  const int64_t pieces = s.batch * p.row_tiles;
  const int team = useful_threads(threads, total_ns, pieces);
  if (team == 1) return run(0, p.units, 0);
  std::memset(flags, 0, static_cast<size_t>(s.batch * s.out_h));
  std::atomic<int64_t> next = 0;
  const auto wait_for = [&](int64_t row) {
    const std::atomic_ref<uint8_t> flag(flags[row]);
    // The row's thread may have lost its core.
    for (int spins = 0; flag.load(std::memory_order_acquire) == 0; ++spins) {
      if (spins > 1000) std::this_thread::yield();
    }
  };
  parallel_ranges(team, team, [&](int64_t, int64_t, int thread) {
    for (int64_t piece = next++; piece < pieces; piece = next++) {
      const int64_t first = piece / p.row_tiles * s.out_h + piece % p.row_tiles * p.tile_rows;
      const int64_t last = std::min(first + p.tile_rows, (piece / p.row_tiles + 1) * s.out_h) - 1;
      // Rows of this piece are in order by themselves.
      const int64_t readers = std::min(depthwise_last_reader(s, last) + 1, first);
      for (int64_t row = 0; row < readers; ++row) wait_for(row);
      run(piece * p.groups, (piece + 1) * p.groups, thread);
      for (int64_t row = first; row <= last; ++row) {
        std::atomic_ref<uint8_t>(flags[row]).store(1, std::memory_order_release);
      }
    }
  });
}

}  // namespace tfengine::kernels
