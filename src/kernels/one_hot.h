// SPDX-License-Identifier: Apache-2.0
// One-hot vectors of indices.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

// indices [outer][inner]; dst [outer][depth][inner] holds `on` where the middle position is the index, `off` elsewhere.
struct OneHotShape {
  int64_t outer = 1, depth = 1, inner = 1;
  int64_t elem_bytes = 4;   // 1, 2, 4 or 8
  int64_t index_bytes = 4;  // 1 (unsigned), 4 or 8
};
void one_hot(const OneHotShape& shape, const void* indices, const void* on, const void* off, void* dst, int threads);

}  // namespace tfengine::kernels
