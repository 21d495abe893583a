// SPDX-License-Identifier: Apache-2.0
// Reproducible data for the tests of ranges. The seed is printed with every failure of a property test; set
// TFENGINE_TEST_SEED to repeat one.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

namespace tfengine::quantize {

inline uint64_t test_seed() {
  const char* given = std::getenv("TFENGINE_TEST_SEED");
  if (given != nullptr) return std::strtoull(given, nullptr, 10);
  static const uint64_t seed = std::random_device{}();
  return seed;
}

using Rng = std::mt19937_64;

inline std::vector<float> normal(Rng& rng, size_t count, float deviation = 1.0f) {
  std::normal_distribution<float> distribution(0.0f, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(rng);
  return values;
}

inline std::vector<float> relu(std::vector<float> values) {
  for (float& value : values) value = value > 0.0f ? value : 0.0f;
  return values;
}

// Mixed scales, zeros, NaN and infinities: what histograms have to bear.
inline std::vector<float> wild(Rng& rng, size_t count) {
  std::vector<float> values = normal(rng, count);
  std::uniform_int_distribution<int> exponent(-130, 126);
  std::uniform_int_distribution<int> kind(0, 99);
  for (float& value : values) {
    const int k = kind(rng);
    if (k == 0) value = std::ldexp(value, exponent(rng));
    if (k == 1) value = std::numeric_limits<float>::quiet_NaN();
    if (k == 2) value = -std::numeric_limits<float>::infinity();
    if (k < 20 && k > 10) value = 0.0f;
  }
  return values;
}

}  // namespace tfengine::quantize
