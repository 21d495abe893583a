// SPDX-License-Identifier: Apache-2.0
#include "quantize/weight_grid.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "quantize/weights.h"

namespace tfengine::quantize {
namespace {

std::optional<float> step_of(const std::vector<float>& weights) {
  float max_abs = 0.0f;
  for (const float weight : weights) max_abs = std::max(max_abs, std::abs(weight));
  const auto count = static_cast<int64_t>(weights.size());
  return grid_step({weights.data(), 1, count, count}, max_abs);
}

// Integers of [low, high], both of which are there, as multiples of `step`.
std::vector<float> on_grid(int low, int high, float step, size_t count = 64) {
  std::mt19937 rng(3);
  std::vector<float> weights = {static_cast<float>(low) * step, static_cast<float>(high) * step};
  while (weights.size() < count) {
    weights.push_back(static_cast<float>(std::uniform_int_distribution<int>(low, high)(rng)) * step);
  }
  return weights;
}

TEST(WeightGrid, IsFoundAgain) {
  EXPECT_FLOAT_EQ(*step_of(on_grid(-127, 127, 0.013f)), 0.013f);
  EXPECT_FLOAT_EQ(*step_of(on_grid(-101, 97, 0.013f)), 0.013f);
  EXPECT_FLOAT_EQ(*step_of(on_grid(-128, 127, 0.5f)), 0.5f);
  // 4 bits: any multiple that keeps the values exact will do.
  const std::vector<float> four = on_grid(-7, 7, 0.25f);
  const float step = *step_of(four);
  EXPECT_LE(1.75f / step, 127.5f);
  for (const float weight : four) EXPECT_NEAR(weight / step, std::nearbyint(weight / step), 1e-3f);
}

TEST(WeightGrid, IsNotSeenWhereThereIsNone) {
  std::mt19937 rng(5);
  std::vector<float> weights(100);
  for (float& weight : weights) weight = std::normal_distribution<float>()(rng);
  EXPECT_FALSE(step_of(weights));
  EXPECT_FALSE(step_of({0.0f, 0.0f}));
  EXPECT_FALSE(step_of(on_grid(-200, 55, 0.01f, 500)));
}

TEST(WeightGrid, QuantizedWeightsAreThoseOfTheTraining) {
  // [2, 32, 3]: channels in the middle, each with a grid of its own, the third with none.
  Tensor weights(DType::F32, Shape{2, 3, 32});
  std::mt19937 rng(9);
  std::uniform_int_distribution<int> integer(-90, 90);
  std::vector<int> integers;
  const float steps[] = {0.02f, 0.37f};
  for (int64_t i = 0; i < weights.elements(); ++i) {
    const auto channel = static_cast<size_t>(i / 32 % 3);
    integers.push_back(integer(rng));
    weights.mutable_as<float>()[i] =
        channel == 2 ? std::normal_distribution<float>()(rng) : static_cast<float>(integers.back()) * steps[channel];
  }
  const QuantizedWeights quantized = quantize_weights(weights, {1, false}, WeightRange::Max, "w");
  EXPECT_FLOAT_EQ(quantized.quant.scales[0], steps[0]);
  EXPECT_FLOAT_EQ(quantized.quant.scales[1], steps[1]);
  for (int64_t i = 0; i < weights.elements(); ++i) {
    if (i / 32 % 3 < 2) {
      ASSERT_EQ(quantized.tensor.as<int8_t>()[i], integers[static_cast<size_t>(i)]) << i;
    }
  }
}

}  // namespace
}  // namespace tfengine::quantize
