// SPDX-License-Identifier: Apache-2.0
// Which range an element of a tensor with several ranges has.
#pragma once

#include <cstdint>

#include "ops/infer_util.h"

namespace tfengine::ops {

// Slices along attribute `axis` (-1: the whole tensor) have a range each.
struct Slices {
  int64_t count = 1, inner = 1;
  int64_t of(int64_t element) const { return element / inner % count; }
};

inline Slices slices_of(const ir::Node& node, const Shape& shape) {
  const int64_t axis = node.attr_or<int64_t>("axis", -1);
  if (axis < 0) return {};
  const size_t along = normalize_axis(node, axis, shape.rank());
  Slices slices{shape[along], 1};
  for (size_t i = along + 1; i < shape.rank(); ++i) slices.inner *= shape[i];
  return slices;
}

}  // namespace tfengine::ops
