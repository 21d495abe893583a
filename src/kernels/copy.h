// SPDX-License-Identifier: Apache-2.0
// Moving elements without looking at them: strided copies (split, slice, concat into views) and constant
// padding.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

// `rows` runs of `cols` neighbouring elements; strides are elements between the starts of runs. A contiguous
// tensor is one row. Shared by the kernels that treat a tensor as pixels x channels.
struct Rows {
  int64_t rows = 1;
  int64_t cols = 0;
  int64_t src_stride = 0;
  int64_t dst_stride = 0;
};

// elem_bytes: 1, 2, 4 or 8. src and dst must not overlap.
void copy_rows(int64_t elem_bytes, const Rows& rows, const void* src, void* dst, int threads);

// Any strided box of rank <= 8, strides in elements; a negative stride reverses, 0 repeats (broadcast, tile).
struct CopyShape {
  int rank = 0;
  int64_t dims[8] = {};
  int64_t src_strides[8] = {};
  int64_t dst_strides[8] = {};
};
void copy_strided(int64_t elem_bytes, const CopyShape& shape, const void* src, void* dst, int threads);

// dst (contiguous, dims[i] + before[i] + after[i]) = src (contiguous, dims) surrounded by the element at
// `value`.
struct PadShape {
  int rank = 0;
  int64_t dims[8] = {};
  int64_t before[8] = {};
  int64_t after[8] = {};
};
void pad_constant(int64_t elem_bytes, const PadShape& shape, const void* src, const void* value, void* dst,
                  int threads);

}  // namespace tfengine::kernels
