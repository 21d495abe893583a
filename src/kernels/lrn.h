// SPDX-License-Identifier: Apache-2.0
// Local response normalisation across channels, and the sum of all squares.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

// y[c] = x[c] / (bias + alpha * sum of x[k]^2, |k - c| <= radius)^beta, per pixel of `channels`.
struct LrnShape {
  int64_t pixels = 0, channels = 0, radius = 0;
  float bias = 1.0f, alpha = 1.0f, beta = 0.5f;
};
void lrn_f32(const LrnShape& shape, const float* src, float* dst, int threads);

// The same whatever the number of threads. `partials`: scratch of square_sum_partials(count) doubles.
int64_t square_sum_partials(int64_t count);
double square_sum(int64_t count, const float* src, double* partials, int threads);

}  // namespace tfengine::kernels
