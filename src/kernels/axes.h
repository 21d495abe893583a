// SPDX-License-Identifier: Apache-2.0
// Tensors that are walked in step, each with strides of its own: fewer and longer axes are walked faster.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

inline constexpr int kMaxAxes = 8;

// Drops axes of one element and merges neighbours that step as one in all of `count` tensors, in place. Returns how many
// axes are left, at least one. Strides are in elements, 0 where a tensor repeats.
inline int merge_axes(int rank, int64_t* dims, int64_t (*strides)[kMaxAxes], int count) {
  int merged = 0;
  for (int i = 0; i < rank; ++i) {
    if (dims[i] == 1) continue;
    bool joins = merged > 0;
    for (int k = 0; k < count; ++k) joins = joins && strides[k][merged - 1] == strides[k][i] * dims[i];
    const int at = joins ? merged - 1 : merged++;
    dims[at] = joins ? dims[at] * dims[i] : dims[i];
    for (int k = 0; k < count; ++k) strides[k][at] = strides[k][i];
  }
  if (merged > 0) return merged;
  dims[0] = 1;
  for (int k = 0; k < count; ++k) strides[k][0] = 0;
  return 1;
}

// Calls row(r, offset) for `rows` rows of the innermost axis from `first` on, r from 0, with the offset of each row's first
// element in a tensor of these strides.
template <class Row>
void for_rows_of(int rank, const int64_t* dims, const int64_t* strides, int64_t first, int64_t rows, Row&& row) {
  int64_t index[kMaxAxes] = {};
  int64_t offset = 0;
  for (int axis = rank - 2; axis >= 0; --axis) {
    index[axis] = first % dims[axis];
    first /= dims[axis];
    offset += index[axis] * strides[axis];
  }
  for (int64_t r = 0; r < rows; ++r) {
    row(r, offset);
    for (int axis = rank - 2; axis >= 0; --axis) {
      offset += strides[axis];
      if (++index[axis] < dims[axis]) break;
      offset -= strides[axis] * dims[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace tfengine::kernels
