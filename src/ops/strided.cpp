// SPDX-License-Identifier: Apache-2.0
#include "ops/strided.h"

#include <cstring>

namespace tfengine::ops {

std::vector<int64_t> dense_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.rank());
  int64_t stride = 1;
  for (size_t axis = shape.rank(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

std::vector<int64_t> broadcast_strides(const Shape& shape, const Shape& out) {
  std::vector<int64_t> strides(out.rank(), 0);
  const std::vector<int64_t> own = dense_strides(shape);
  const size_t shift = out.rank() - shape.rank();
  for (size_t axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] != 1) strides[axis + shift] = own[axis];
  }
  return strides;
}

void copy_strided(const void* src, const Walk& src_walk, void* dst, const Walk& dst_walk, const Shape& dims,
                  size_t element_bytes) {
  const auto bytes = static_cast<int64_t>(element_bytes);
  const std::byte* from = static_cast<const std::byte*>(src) + src_walk.offset * bytes;
  std::byte* to = static_cast<std::byte*>(dst) + dst_walk.offset * bytes;
  walk_rows<2>(dims, {src_walk.strides, dst_walk.strides}, [&](const auto& offset, const auto& step, int64_t count) {
    const std::byte* row_from = from + offset[0] * bytes;
    std::byte* row_to = to + offset[1] * bytes;
    if (step[0] == 1 && step[1] == 1) {
      std::memcpy(row_to, row_from, static_cast<size_t>(count * bytes));
      return;
    }
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(row_to + i * step[1] * bytes, row_from + i * step[0] * bytes, element_bytes);
    }
  });
}

Tensor take_strided(const Tensor& src, const Walk& walk, const Shape& out) {
  Tensor result(src.dtype(), out);
  copy_strided(src.data(), walk, result.mutable_data(), {0, dense_strides(out)}, out, dtype_bytes(src.dtype()));
  return result;
}

}  // namespace tfengine::ops
