// SPDX-License-Identifier: Apache-2.0
#include "kernels/band.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "kernels/parallel.h"

namespace tfengine::kernels {

void keep_band(int64_t elem_bytes, const BandShape& s, int64_t lower, int64_t upper, const void* src, void* dst,
               int threads) {
  const int64_t lines = s.matrices * s.rows, line_bytes = s.columns * elem_bytes;
  const double ns = 0.1 * static_cast<double>(lines * line_bytes) + 5.0 * static_cast<double>(lines);
  parallel_ranges(lines, useful_threads(threads, ns, lines), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % s.rows;
      // Bounds beyond the matrix are its sides: sums with them do not overflow.
      const int64_t below = std::min(lower, s.rows), above = std::min(upper, s.columns);
      const int64_t from = lower < 0 ? 0 : std::clamp<int64_t>(row - below, 0, s.columns) * elem_bytes;
      const int64_t to = upper < 0 ? line_bytes : std::clamp<int64_t>((row + above + 1) * elem_bytes, from, line_bytes);
      auto* y = static_cast<std::byte*>(dst) + i * line_bytes;
      std::memset(y, 0, static_cast<size_t>(from));
      if (src != dst) {
        std::memcpy(y + from, static_cast<const std::byte*>(src) + i * line_bytes + from,
                    static_cast<size_t>(to - from));
      }
      std::memset(y + to, 0, static_cast<size_t>(line_bytes - to));
    }
  });
}

}  // namespace tfengine::kernels
