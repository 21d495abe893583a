// SPDX-License-Identifier: Apache-2.0
// Axes that stay neighbours are merged. If the innermost axis stays innermost the result is a strided copy of runs;
// otherwise the two axes that are innermost in source and result are walked in square tiles, so that both sides use whole
// cache lines.
#include "kernels/transpose.h"

#include <algorithm>

#include "kernels/copy.h"
#include "kernels/parallel.h"
#include "kernels/stream.h"
#include "kernels/turn.h"
#include "kernels/with_unsigned.h"

namespace tfengine::kernels {
namespace {

struct Merged {
  int rank = 0;
  int64_t dims[8] = {};     // in the order of dst
  int64_t strides[8] = {};  // in src
};

Merged merge_axes(const TransposeShape& s) {
  int64_t stride[8], step = 1;
  for (int i = s.rank - 1; i >= 0; --i) {
    stride[i] = step;
    step *= s.dims[i];
  }
  Merged m;
  for (int i = 0; i < s.rank; ++i) {
    const int64_t dim = s.dims[s.perm[i]], from = stride[s.perm[i]];
    if (dim == 1) continue;
    if (m.rank > 0 && m.strides[m.rank - 1] == from * dim) {
      m.dims[m.rank - 1] *= dim;
      m.strides[m.rank - 1] = from;
      continue;
    }
    m.dims[m.rank] = dim;
    m.strides[m.rank++] = from;
  }
  if (m.rank == 0) m.rank = 1, m.dims[0] = 1, m.strides[0] = 1;
  return m;
}

// The source's innermost axis is axis `inner` (< rank - 1) of dst; dst's innermost has src stride `strides[rank - 1]`.
template <class T>
void transpose_tiles(const Merged& m, int inner, const T* src, T* dst, int threads) {
  const int last = m.rank - 1;
  int64_t dst_strides[8], step = 1, outer = 1;
  for (int k = last; k >= 0; --k) {
    dst_strides[k] = step;
    step *= m.dims[k];
    if (k != last && k != inner) outer *= m.dims[k];
  }
  const int64_t rows = m.dims[last], cols = m.dims[inner];
  // A line of the cache of each of 256 source rows, so that results are written in long runs; where there are fewer rows,
  // more of each.
  const int64_t tile_rows = std::min<int64_t>(rows, 256);
  const int64_t tile_cols =
      std::max<int64_t>(64 / static_cast<int64_t>(sizeof(T)), 4096 / std::max<int64_t>(tile_rows, 1) / 16 * 16);
  const int64_t row_tiles = (rows + tile_rows - 1) / tile_rows, col_tiles = (cols + tile_cols - 1) / tile_cols;
  const int64_t units = outer * row_tiles * col_tiles;
  constexpr int64_t kMostOfTile = std::max<int64_t>(256 * 64 / sizeof(T), 4096);
  // Runs of a few lines at least, and results that are large.
  const bool runs = tile_rows * static_cast<int64_t>(sizeof(T)) >= 512 || dst_strides[inner] == tile_rows;
  const bool streamed = runs && step * static_cast<int64_t>(sizeof(T)) >= kStreamedBytes;
  const double ns = 0.3 * static_cast<double>(step);
  parallel_ranges(units, useful_threads(threads, ns, units), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t index = i;
      const int64_t c = index % col_tiles * tile_cols;
      index /= col_tiles;
      const int64_t r = index % row_tiles * tile_rows;
      index /= row_tiles;
      int64_t from = r * m.strides[last] + c, to = r + c * dst_strides[inner];
      for (int k = last; k >= 0; --k) {
        if (k == last || k == inner) continue;
        from += index % m.dims[k] * m.strides[k];
        to += index % m.dims[k] * dst_strides[k];
        index /= m.dims[k];
      }
      const int64_t height = std::min(tile_rows, rows - r), width = std::min(tile_cols, cols - c);
      if (!streamed) {
        turn_tile(sizeof(T), src + from, m.strides[last], height, width, {nullptr, dst + to, dst_strides[inner]});
        continue;
      }
      alignas(64) T turned[kMostOfTile];
      turn_tile(sizeof(T), src + from, m.strides[last], height, width, {nullptr, turned, height});
      // Rows of the result that follow each other are one.
      const bool together = dst_strides[inner] == height;
      for (int64_t k = 0; k < (together ? 1 : width); ++k) {
        stream_copy(static_cast<size_t>((together ? width : 1) * height) * sizeof(T), turned + k * height,
                    dst + to + k * dst_strides[inner]);
      }
    }
    if (streamed) finish_streams();
  });
}

}  // namespace

void transpose(int64_t elem_bytes, const TransposeShape& shape, const void* src, void* dst, int threads) {
  int64_t total = 1;
  for (int i = 0; i < shape.rank; ++i) total *= shape.dims[i];
  if (total == 0) return;
  const Merged m = merge_axes(shape);
  const int last = m.rank - 1;
  if (m.strides[last] == 1) {
    CopyShape copy;
    copy.rank = m.rank;
    int64_t step = 1;
    for (int k = last; k >= 0; --k) {
      copy.dims[k] = m.dims[k];
      copy.src_strides[k] = m.strides[k];
      copy.dst_strides[k] = step;
      step *= m.dims[k];
    }
    return copy_strided(elem_bytes, copy, src, dst, threads);
  }
  int inner = 0;
  while (m.strides[inner] != 1) ++inner;
  with_unsigned(elem_bytes, [&]<class T>(T) {
    transpose_tiles(m, inner, static_cast<const T*>(src), static_cast<T*>(dst), threads);
  });
}

void take_columns(int64_t elem_bytes, int64_t rows, int64_t cols, int64_t src_step, const void* src, void* const* dst,
                  int threads) {
  with_unsigned(elem_bytes, [&]<class T>(T) {
    constexpr int64_t kRows = 1024;
    const int64_t parts = (rows + kRows - 1) / kRows;
    const double ns = 0.3 * static_cast<double>(rows * cols);
    parallel_ranges(parts, useful_threads(threads, ns, parts), [&](int64_t begin, int64_t end, int) {
      for (int64_t part = begin; part < end; ++part) {
        const int64_t first = part * kRows;
        turn_tile(elem_bytes, static_cast<const T*>(src) + first * src_step, src_step, std::min(kRows, rows - first),
                  cols, {dst, nullptr, 0, first});
      }
    });
  });
}

}  // namespace tfengine::kernels
