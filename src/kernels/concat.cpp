// SPDX-License-Identifier: Apache-2.0
#include "kernels/concat.h"

#include <cmath>
#include <cstring>

#include "kernels/copy.h"

namespace tfengine::kernels {

void concat_rows(int64_t rows, const ConcatPiece* pieces, int num_pieces, const Format& dst_format, void* dst,
                 int64_t dst_stride, int threads) {
  const int64_t bytes = dst_format.elem == Elem::F32 ? 4 : 1;
  int64_t first = 0;
  for (int i = 0; i < num_pieces; ++i) {
    const ConcatPiece& piece = pieces[i];
    const Rows shape{rows, piece.cols, piece.src_stride, dst_stride};
    void* to = static_cast<char*>(dst) + first * bytes;
    first += piece.cols;
    // Within 2^-20 of 1 the product of an 8-bit value rounds back to the value.
    const bool same_steps = std::abs(piece.scale / dst_format.scale - 1.0f) < 9.5e-7f && piece.zero == dst_format.zero;
    const bool same = piece.elem == dst_format.elem && (dst_format.elem == Elem::F32 || same_steps);
    if (same) {
      copy_rows(bytes, shape, piece.src, to, threads);
    } else {
      convert_elem(shape, {piece.elem, piece.scale, piece.zero}, piece.src, dst_format, to, threads);
    }
  }
}

}  // namespace tfengine::kernels
