// SPDX-License-Identifier: Apache-2.0
// A tile of a matrix whose rows become columns: the inner loop of transpose.h. Not for use outside this folder.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

// Where the columns go: each to a place of its own, or `step` elements apart.
struct TurnedColumns {
  void* const* places = nullptr;
  void* first = nullptr;  // where there are no places
  int64_t step = 0;
  int64_t offset = 0;  // elements, from the beginning of each
};

// Element r of column c is src[r * src_step + c]. elem_bytes: 1, 2, 4 or 8.
void turn_tile(int64_t elem_bytes, const void* src, int64_t src_step, int64_t rows, int64_t cols,
               const TurnedColumns& columns);

}  // namespace tfengine::kernels
