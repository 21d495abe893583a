// SPDX-License-Identifier: Apache-2.0
// Concatenation along any axis, seen as rows: with axis extents e_i and inner size n, piece i has rows of e_i
// * n elements. Pieces of another 8-bit scale are requantised on the way.
#pragma once

#include <cstdint>

#include "kernels/quantize.h"

namespace tfengine::kernels {

struct ConcatPiece {
  const void* src = nullptr;
  int64_t cols = 0;        // elements of this piece in each row
  int64_t src_stride = 0;  // elements between its rows
  Elem elem = Elem::F32;
  float scale = 1.0f;  // of an S8 or U8 piece
  float zero = 0.0f;
};

// Piece i goes to columns [sum of cols before it, ...) of each of the `rows` rows of dst, dst_stride elements
// apart. A piece whose numbers are dst's is copied; others go through float.
void concat_rows(int64_t rows, const ConcatPiece* pieces, int num_pieces, const Format& dst_format, void* dst,
                 int64_t dst_stride, int threads);

}  // namespace tfengine::kernels
