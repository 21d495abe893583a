// SPDX-License-Identifier: Apache-2.0
// Walking several tensors in step, each with its own strides: broadcasting, transposing, slicing, concatenating.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tfengine/tensor.h"

namespace tfengine::ops {

// In elements, row-major.
std::vector<int64_t> dense_strides(const Shape& shape);
// Strides of `shape` walked as if it had shape `out`: 0 along broadcast axes.
std::vector<int64_t> broadcast_strides(const Shape& shape, const Shape& out);

// Calls row(offsets, steps, count) for each innermost row of `dims`; offsets and steps in elements, one per operand.
template <size_t N, typename Row>
void walk_rows(const Shape& dims, const std::array<std::vector<int64_t>, N>& strides, Row&& row) {
  if (dims.elements() == 0) return;
  const size_t outer = dims.rank() == 0 ? 0 : dims.rank() - 1;
  std::array<int64_t, N> step{};
  if (dims.rank() > 0) {
    for (size_t i = 0; i < N; ++i) step[i] = strides[i][outer];
  }
  std::array<int64_t, N> offset{};
  std::vector<int64_t> index(outer, 0);
  while (true) {
    row(offset, step, dims.rank() == 0 ? 1 : dims.back());
    size_t axis = outer;
    for (; axis > 0; --axis) {
      const size_t a = axis - 1;
      for (size_t i = 0; i < N; ++i) offset[i] += strides[i][a];
      if (++index[a] < dims[a]) break;
      for (size_t i = 0; i < N; ++i) offset[i] -= strides[i][a] * dims[a];
      index[a] = 0;
    }
    if (axis == 0) return;
  }
}

// Where a walk starts in a tensor's data and how it goes on.
struct Walk {
  int64_t offset = 0;
  std::vector<int64_t> strides;
};

void copy_strided(const void* src, const Walk& src_walk, void* dst, const Walk& dst_walk, const Shape& dims,
                  size_t element_bytes);
// A new tensor of shape `out` whose elements are found in `src` along `walk`.
Tensor take_strided(const Tensor& src, const Walk& walk, const Shape& out);

}  // namespace tfengine::ops
