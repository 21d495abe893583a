// SPDX-License-Identifier: Apache-2.0
// Permutation of the axes of a contiguous tensor.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

struct TransposeShape {
  int rank = 0;
  int64_t dims[8] = {};  // of src
  int perm[8] = {};      // axis i of dst is axis perm[i] of src
};

// elem_bytes: 1, 2, 4 or 8. src and dst must not overlap.
void transpose(int64_t elem_bytes, const TransposeShape& shape, const void* src, void* dst, int threads);

// dst[c][r] = src[r * src_step + c]: columns that lie side by side in src, each to a place of its own.
void take_columns(int64_t elem_bytes, int64_t rows, int64_t cols, int64_t src_step, const void* src, void* const* dst,
                  int threads);

}  // namespace tfengine::kernels
