// SPDX-License-Identifier: Apache-2.0
#include "quantize/weight_grid.h"

#include <cmath>

namespace tfengine::quantize {

namespace {

// In steps: float arithmetic behind the grid (dequantization, a folded batch norm) moves a multiple by 1e-5 of one, and a
// weight that is taken for a multiple by mistake is moved less than rounding on any other grid would.
constexpr float kTolerance = 1e-3f;
constexpr int kMostSteps = 127;
// Of so many weights at random, one channel in 10^20 would seem to lie on one of the grids.
constexpr int64_t kFirstLook = 8;
// Fewer than these lie on too many grids to tell.
constexpr int64_t kFewest = 5;

bool is_multiple(float weight, float steps_per_unit) {
  const float steps = weight * steps_per_unit;
  return std::abs(steps - std::nearbyint(steps)) <= kTolerance;
}

bool all_multiples(const ChannelWeights& weights, float steps_per_unit, int64_t most) {
  int64_t looked = 0;
  for (int64_t outer = 0; outer < weights.outer; ++outer) {
    const float* run = weights.data + outer * weights.stride;
    for (int64_t inner = 0; inner < weights.inner; ++inner) {
      if (!is_multiple(run[inner], steps_per_unit)) return false;
      // Zeros are on every grid.
      looked += run[inner] != 0.0f;
      if (looked >= most) return true;
    }
  }
  return true;
}

bool has_enough(const ChannelWeights& weights) {
  int64_t nonzero = 0;
  for (int64_t outer = 0; outer < weights.outer; ++outer) {
    const float* run = weights.data + outer * weights.stride;
    for (int64_t inner = 0; inner < weights.inner; ++inner) {
      nonzero += run[inner] != 0.0f;
      if (nonzero >= kFewest) return true;
    }
  }
  return false;
}

bool on_grid(const ChannelWeights& weights, float steps_per_unit) {
  return all_multiples(weights, steps_per_unit, kFirstLook) &&
         all_multiples(weights, steps_per_unit, weights.outer * weights.inner);
}

}  // namespace

std::optional<float> grid_step(const ChannelWeights& weights, float max_abs) {
  if (!(max_abs > 0.0f) || !std::isfinite(1.0f / max_abs) || !has_enough(weights)) return std::nullopt;
  for (int steps = kMostSteps; steps > 0; --steps) {
    if (on_grid(weights, static_cast<float>(steps) / max_abs)) return max_abs / static_cast<float>(steps);
  }
  constexpr float kLowest = kMostSteps + 1;
  if (on_grid(weights, kLowest / max_abs)) return max_abs / kLowest;
  return std::nullopt;
}

}  // namespace tfengine::quantize
