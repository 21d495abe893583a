// SPDX-License-Identifier: Apache-2.0
// Concatenation along any axis, seen as rows: with axis extents e_i and inner size n, piece i has rows of e_i
// * n elements. Pieces of another 8-bit scale are requantised on the way.
#pragma once

#include <cstdint>

#include "kernels/epilogue.h"

namespace tfengine::kernels {

struct ConcatPiece {
  const void* src = nullptr;
  int64_t cols = 0;        // elements of this piece in each row
  int64_t src_stride = 0;  // elements between its rows
  Elem elem = Elem::F32;
  float scale = 1.0f;  // of an S8 or U8 piece
};

// Piece i goes to columns [sum of cols before it, ...) of each of the `rows` rows of dst, dst_stride elements
// apart. A piece of dst_elem whose scale * dst_inv_scale rounds to 1 is copied; others go through float.
void concat_rows(int64_t rows, const ConcatPiece* pieces, int num_pieces, Elem dst_elem, float dst_inv_scale, void* dst,
                 int64_t dst_stride, int threads);

}  // namespace tfengine::kernels
