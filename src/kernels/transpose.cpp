// SPDX-License-Identifier: Apache-2.0
// Axes that stay neighbours are merged. If the innermost axis stays innermost the result is a strided copy of runs;
// otherwise the two axes that are innermost in source and result are walked in square tiles, so that both sides use whole
// cache lines.
#include "kernels/transpose.h"

#include <algorithm>

#include "kernels/copy.h"
#include "kernels/parallel.h"

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

// dst[c * dst_step + r] = src[r * src_step + c] for a tile of rows x cols.
template <class T>
void tile(const T* src, int64_t src_step, int64_t rows, int64_t cols, T* dst, int64_t dst_step) {
  for (int64_t c = 0; c < cols; ++c) {
    T* to = dst + c * dst_step;
    const T* from = src + c;
    for (int64_t r = 0; r < rows; ++r) to[r] = from[r * src_step];
  }
}

// The source's innermost axis is axis `inner` (< rank - 1) of dst; dst's innermost has src stride `strides[rank - 1]`.
template <class T>
void transpose_tiles(const Merged& m, int inner, const T* src, T* dst, int threads) {
  // 32 rows of a 64-byte line each: both sides of a tile fit the first-level cache several times over.
  constexpr int64_t kTile = 32;
  const int last = m.rank - 1;
  int64_t dst_strides[8], step = 1, outer = 1;
  for (int k = last; k >= 0; --k) {
    dst_strides[k] = step;
    step *= m.dims[k];
    if (k != last && k != inner) outer *= m.dims[k];
  }
  const int64_t rows = m.dims[last], cols = m.dims[inner];
  const int64_t row_tiles = (rows + kTile - 1) / kTile, col_tiles = (cols + kTile - 1) / kTile;
  const int64_t units = outer * row_tiles * col_tiles;
  const double ns = 0.7 * static_cast<double>(step);
  parallel_ranges(units, useful_threads(threads, ns, units), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t index = i;
      const int64_t c = index % col_tiles * kTile;
      index /= col_tiles;
      const int64_t r = index % row_tiles * kTile;
      index /= row_tiles;
      int64_t from = r * m.strides[last] + c, to = r + c * dst_strides[inner];
      for (int k = last; k >= 0; --k) {
        if (k == last || k == inner) continue;
        from += index % m.dims[k] * m.strides[k];
        to += index % m.dims[k] * dst_strides[k];
        index /= m.dims[k];
      }
      tile(src + from, m.strides[last], std::min(kTile, rows - r), std::min(kTile, cols - c), dst + to,
           dst_strides[inner]);
    }
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
  switch (elem_bytes) {
    case 1:
      return transpose_tiles(m, inner, static_cast<const uint8_t*>(src), static_cast<uint8_t*>(dst), threads);
    case 2:
      return transpose_tiles(m, inner, static_cast<const uint16_t*>(src), static_cast<uint16_t*>(dst), threads);
    case 4:
      return transpose_tiles(m, inner, static_cast<const uint32_t*>(src), static_cast<uint32_t*>(dst), threads);
    default:
      return transpose_tiles(m, inner, static_cast<const uint64_t*>(src), static_cast<uint64_t*>(dst), threads);
  }
}

}  // namespace tfengine::kernels
