// SPDX-License-Identifier: Apache-2.0
// Sums by column over chosen rows of a float matrix: the channel sums of calibration. Each column is added up in the rows'
// order, so the sums are the same for any vector width and any number of threads.
#pragma once

#include <cstdint>
#include <span>

namespace tfengine::kernels {

// sums[c] = the sum of src[row * stride + c] over `rows`, for c in [0, columns).
void sum_rows(const float* src, int64_t stride, std::span<const int64_t> rows, int64_t columns, float* sums,
              int threads);

}  // namespace tfengine::kernels
