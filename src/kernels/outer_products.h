// SPDX-License-Identifier: Apache-2.0
// Sums of outer products of a matrix's rows with themselves: the second moments of a layer's inputs.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

// sums[i * columns + j] += sum over r of rows[r * columns + i] * rows[r * columns + j], for j <= i; what lies above the
// diagonal is left alone or not, but never read. Each sum is added up in the rows' order, so results are the same for any
// number of threads.
void add_outer_products(const float* rows, int64_t count, int64_t columns, float* sums, int threads);

}  // namespace tfengine::kernels
