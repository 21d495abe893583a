// SPDX-License-Identifier: Apache-2.0
#include "kernels/concat.h"

#include <cmath>
#include <cstring>

#include "kernels/copy.h"
#include "kernels/quantize.h"

namespace tfengine::kernels {

void concat_rows(int64_t rows, const ConcatPiece* pieces, int num_pieces, Elem dst_elem, float dst_inv_scale, void* dst,
                 int64_t dst_stride, int threads) {
  const int64_t bytes = dst_elem == Elem::F32 ? 4 : 1;
  int64_t first = 0;
  for (int i = 0; i < num_pieces; ++i) {
    const ConcatPiece& piece = pieces[i];
    const Rows shape{rows, piece.cols, piece.src_stride, dst_stride};
    void* to = static_cast<char*>(dst) + first * bytes;
    first += piece.cols;
    // Within 2^-20 of 1 the product of an 8-bit value rounds back to the value.
    const bool same =
        piece.elem == dst_elem && (dst_elem == Elem::F32 || std::abs(piece.scale * dst_inv_scale - 1.0f) < 9.5e-7f);
    if (same) {
      copy_rows(bytes, shape, piece.src, to, threads);
    } else {
      convert_elem(shape, piece.elem, piece.scale, piece.src, dst_elem, dst_inv_scale, to, threads);
    }
  }
}

}  // namespace tfengine::kernels
