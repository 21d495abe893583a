// SPDX-License-Identifier: Apache-2.0
// The band around the diagonal of matrices; everything else zero.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

struct BandShape {
  int64_t matrices = 1, rows = 1, columns = 1;
};
// Keeps element (row, column) where row - column <= lower and column - row <= upper; a negative bound is none.
// elem_bytes: of an element whose zero is all zero bits. src and dst must not overlap, unless they are the same.
void keep_band(int64_t elem_bytes, const BandShape& shape, int64_t lower, int64_t upper, const void* src, void* dst,
               int threads);

}  // namespace tfengine::kernels
