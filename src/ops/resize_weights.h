// SPDX-License-Identifier: Apache-2.0
// The weights of ResizeBicubic and ResizeArea along one axis, shared by their evaluation and the backends.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace tfengine::ops {

struct ResizeTerm {
  int64_t index;
  float weight;
};
// Of result i of `out` along an axis of `in` pixels.
std::vector<ResizeTerm> resize_terms(const ir::Node& node, int64_t in, int64_t out, int64_t i);

}  // namespace tfengine::ops
