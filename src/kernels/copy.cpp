// SPDX-License-Identifier: Apache-2.0
#include "kernels/copy.h"

#include <algorithm>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/parallel.h"
#include "kernels/with_unsigned.h"

// Vectors of 16 bytes, which every instruction set has: this is compiled once.
HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// About 10 GB/s from one core's view of the second-level cache and beyond.
double copy_ns(int64_t bytes) { return 0.1 * static_cast<double>(bytes); }

// dst[i] = src[-i].
template <class T>
void reverse_run(int64_t n, const T* src, T* dst) {
  int64_t i = 0;
  // Highway has no reversal of bytes in all its releases.
  if constexpr (sizeof(T) > 1) {
    const hn::FixedTag<T, 16 / sizeof(T)> d;
    constexpr int64_t kLanes = 16 / sizeof(T);
    for (; i + kLanes <= n; i += kLanes) hn::StoreU(hn::Reverse(d, hn::LoadU(d, src - i - kLanes + 1)), d, dst + i);
  }
  for (; i < n; ++i) dst[i] = src[-i];
}

template <class T>
void copy_run(int64_t n, const T* src, int64_t src_stride, T* dst, int64_t dst_stride) {
  if (src_stride == 1 && dst_stride == 1) {
    std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
  } else if (src_stride == 0 && dst_stride == 1) {
    std::fill_n(dst, n, *src);
  } else if (src_stride == -1 && dst_stride == 1) {
    reverse_run(n, src, dst);
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i * dst_stride] = src[i * src_stride];
  }
}

// Drops axes of extent 1 and merges neighbours that step as one.
CopyShape merge_axes(const CopyShape& s) {
  CopyShape m;
  for (int i = 0; i < s.rank; ++i) {
    if (s.dims[i] == 1) continue;
    const int last = m.rank - 1;
    if (last >= 0 && m.src_strides[last] == s.src_strides[i] * s.dims[i] &&
        m.dst_strides[last] == s.dst_strides[i] * s.dims[i]) {
      m.dims[last] *= s.dims[i];
      m.src_strides[last] = s.src_strides[i];
      m.dst_strides[last] = s.dst_strides[i];
      continue;
    }
    m.dims[m.rank] = s.dims[i];
    m.src_strides[m.rank] = s.src_strides[i];
    m.dst_strides[m.rank] = s.dst_strides[i];
    ++m.rank;
  }
  if (m.rank == 0) m.rank = 1, m.dims[0] = 1, m.src_strides[0] = m.dst_strides[0] = 1;
  return m;
}

}  // namespace

void copy_rows(int64_t elem_bytes, const Rows& rows, const void* src, void* dst, int threads) {
  CopyShape s;
  s.rank = 2;
  s.dims[0] = rows.rows, s.dims[1] = rows.cols;
  s.src_strides[0] = rows.src_stride, s.dst_strides[0] = rows.dst_stride;
  s.src_strides[1] = s.dst_strides[1] = 1;
  copy_strided(elem_bytes, s, src, dst, threads);
}

void copy_strided(int64_t elem_bytes, const CopyShape& shape, const void* src, void* dst, int threads) {
  const CopyShape s = merge_axes(shape);
  const int inner = s.rank - 1;
  int64_t runs = 1;
  for (int i = 0; i < inner; ++i) runs *= s.dims[i];
  const int64_t run = s.dims[inner];
  if (runs * run <= 0) return;
  // Long runs are cut so that threads can share even a single one.
  constexpr int64_t kRunBytes = 32 * 1024;
  const int64_t piece = std::min(run, std::max<int64_t>(kRunBytes / elem_bytes, 1));
  const int64_t pieces = (run + piece - 1) / piece;
  const double ns = copy_ns(runs * run * elem_bytes) + 3.0 * static_cast<double>(runs);
  with_unsigned(elem_bytes, [&](auto tag) {
    using T = decltype(tag);
    parallel_ranges(runs * pieces, useful_threads(threads, ns, runs * pieces), [&](int64_t begin, int64_t end, int) {
      // Where the part begins; from there on places are counted up, which divides nothing.
      int64_t at[8] = {}, from = 0, to = 0, index = begin / pieces, part = begin % pieces;
      for (int k = inner - 1; k >= 0; --k) {
        at[k] = index % s.dims[k];
        from += at[k] * s.src_strides[k];
        to += at[k] * s.dst_strides[k];
        index /= s.dims[k];
      }
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = part * piece;
        copy_run(std::min(piece, run - first), static_cast<const T*>(src) + from + first * s.src_strides[inner],
                 s.src_strides[inner], static_cast<T*>(dst) + to + first * s.dst_strides[inner], s.dst_strides[inner]);
        if (++part < pieces) continue;
        part = 0;
        for (int k = inner - 1; k >= 0; --k) {
          from += s.src_strides[k];
          to += s.dst_strides[k];
          if (++at[k] < s.dims[k]) break;
          from -= s.src_strides[k] * s.dims[k];
          to -= s.dst_strides[k] * s.dims[k];
          at[k] = 0;
        }
      }
    });
  });
}

namespace {

// Axes without padding are parts of the axis in front of them.
PadShape merge_axes(const PadShape& p) {
  PadShape m;
  for (int i = 0; i < p.rank; ++i) {
    if (m.rank > 0 && p.before[i] == 0 && p.after[i] == 0) {
      m.dims[m.rank - 1] *= p.dims[i];
      m.before[m.rank - 1] *= p.dims[i];
      m.after[m.rank - 1] *= p.dims[i];
      continue;
    }
    m.dims[m.rank] = p.dims[i];
    m.before[m.rank] = p.before[i];
    m.after[m.rank++] = p.after[i];
  }
  return m;
}

}  // namespace

void pad_constant(int64_t elem_bytes, const PadShape& given, const void* src, const void* value, void* dst,
                  int threads) {
  const PadShape p = merge_axes(given);
  // The result as rows of its innermost axis: each is all padding, or padding, source, padding.
  if (p.rank == 0) {
    std::memcpy(dst, src, static_cast<size_t>(elem_bytes));
    return;
  }
  const int inner = p.rank - 1;
  int64_t out[8], rows = 1;
  for (int i = 0; i < p.rank; ++i) out[i] = p.dims[i] + p.before[i] + p.after[i];
  for (int i = 0; i < inner; ++i) rows *= out[i];
  if (rows * out[inner] <= 0) return;
  const double ns = copy_ns(rows * out[inner] * elem_bytes) + 5.0 * static_cast<double>(rows);
  with_unsigned(elem_bytes, [&](auto tag) {
    using T = decltype(tag);
    T fill;
    std::memcpy(&fill, value, sizeof(T));
    parallel_ranges(rows, useful_threads(threads, ns, rows), [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) {
        int64_t index = r, from = 0, stride = p.dims[inner];
        bool inside = true;
        for (int k = inner - 1; k >= 0; --k) {
          const int64_t x = index % out[k] - p.before[k];
          index /= out[k];
          inside = inside && x >= 0 && x < p.dims[k];
          from += x * stride;
          stride *= p.dims[k];
        }
        T* to = static_cast<T*>(dst) + r * out[inner];
        if (!inside) {
          std::fill_n(to, out[inner], fill);
          continue;
        }
        std::fill_n(to, p.before[inner], fill);
        copy_run(p.dims[inner], static_cast<const T*>(src) + from, 1, to + p.before[inner], 1);
        std::fill_n(to + p.before[inner] + p.dims[inner], p.after[inner], fill);
      }
    });
  });
}

}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();
