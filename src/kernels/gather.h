// SPDX-License-Identifier: Apache-2.0
// Gather along one axis.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

// src is [outer][axis][inner], indices [count], dst [outer][count][inner]; inner_bytes is the size of one
// [inner] run. An index outside [0, axis) gives a run of zeros: memory outside src is never read.
struct GatherShape {
  int64_t outer = 1;
  int64_t axis = 1;
  int64_t inner_bytes = 1;
  int64_t count = 0;
};
void gather(const GatherShape& shape, const void* src, const int32_t* indices, void* dst, int threads);
void gather(const GatherShape& shape, const void* src, const int64_t* indices, void* dst, int threads);

}  // namespace tfengine::kernels
