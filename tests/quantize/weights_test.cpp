// SPDX-License-Identifier: Apache-2.0
#include "quantize/weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ops/op.h"
#include "quantize/metrics.h"
#include "quantize/random_data.h"
#include "tfengine/error.h"

namespace tfengine::quantize {
namespace {

Tensor f32(Shape shape, const std::vector<float>& values) { return Tensor::of(DType::F32, std::move(shape), values); }

TEST(Weights, HaveOneScalePerOutputChannel) {
  const Tensor weights = f32({2, 3}, {127.0f, -0.5f, 0.0f, -63.5f, 1.0f, 0.0f});
  const QuantizedWeights quantized = quantize_weights(weights, {1}, WeightRange::Max, "w");
  EXPECT_EQ(quantized.quant.axis, 1);
  ASSERT_EQ(quantized.quant.scales.size(), 3u);
  EXPECT_FLOAT_EQ(quantized.quant.scales[0], 1.0f);
  EXPECT_FLOAT_EQ(quantized.quant.scales[1], 1.0f / 127);
  EXPECT_FLOAT_EQ(quantized.quant.scales[2], 1.0f);      // all zero
  const int8_t expected[] = {127, -64, 0, -64, 127, 0};  // 63.5 rounds to even
  for (int i = 0; i < 6; ++i) EXPECT_EQ(quantized.tensor.as<int8_t>()[i], expected[i]) << i;
}

TEST(Weights, OfDepthwiseFiltersCoverChannelsAndMultiplier) {
  const Tensor weights = f32({1, 2, 2, 2}, {1, 2, 3, 4, -5, 6, 7, -8});
  const QuantizedWeights quantized = quantize_weights(weights, {2, true}, WeightRange::Max, "w");
  ASSERT_EQ(quantized.quant.scales.size(), 4u);
  EXPECT_FLOAT_EQ(quantized.quant.scales[0], 5.0f / 127);
  EXPECT_FLOAT_EQ(quantized.quant.scales[3], 8.0f / 127);
  const Tensor real = ops::dequantize_tensor(quantized.tensor, quantized.quant);
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(real.as<float>()[i], weights.as<float>()[i], 0.04f);
}

TEST(Weights, AreWithinHalfAStepOnAnyAxis) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(seed);
  Rng rng(seed);
  const Tensor weights = f32({5, 7, 3}, normal(rng, 105));
  for (int axis = 0; axis < 3; ++axis) {
    const QuantizedWeights quantized = quantize_weights(weights, {axis}, WeightRange::Max, "w");
    const Tensor real = ops::dequantize_tensor(quantized.tensor, quantized.quant);
    // The oracle's own quantization gives the same integers.
    const Tensor again = ops::quantize_tensor(weights, DType::S8, quantized.quant);
    for (int i = 0; i < 105; ++i) {
      EXPECT_EQ(quantized.tensor.as<int8_t>()[i], again.as<int8_t>()[i]);
      EXPECT_NEAR(real.as<float>()[i], weights.as<float>()[i], 3.5f / 127 / 2 * 1.3f);
    }
  }
}

TEST(Weights, AreQuantizedOnceInACache) {
  const Tensor weights = f32({2, 3}, {127.0f, -0.5f, 0.0f, -63.5f, 1.0f, 0.0f});
  WeightsCache cache;
  const QuantizedWeights first = cache.get(weights, {1}, WeightRange::Max, "w");
  const QuantizedWeights again = cache.get(weights, {1}, WeightRange::Max, "w");
  EXPECT_EQ(first.tensor.data(), again.tensor.data());
  const QuantizedWeights alone = quantize_weights(weights, {1}, WeightRange::Max, "w");
  EXPECT_TRUE(std::equal(alone.tensor.as<int8_t>(), alone.tensor.as<int8_t>() + 6, first.tensor.as<int8_t>()));
  // Another axis, another rule and other weights are other entries, also where bytes are the same.
  EXPECT_EQ(cache.get(weights, {0}, WeightRange::Max, "w").quant.scales.size(), 2u);
  EXPECT_NE(cache.get(weights, {1}, WeightRange::Mse, "w").tensor.data(), first.tensor.data());
  const Tensor turned(DType::F32, {3, 2}, weights.data(), nullptr);
  EXPECT_EQ(cache.get(turned, {1}, WeightRange::Max, "w").quant.scales.size(), 2u);
}

TEST(Weights, MseIsNotWorseThanTheMaximum) {
  Rng rng(2);
  const Tensor weights = f32({600, 8}, normal(rng, 4800));
  double noise[2];
  for (const WeightRange range : {WeightRange::Max, WeightRange::Mse}) {
    const QuantizedWeights quantized = quantize_weights(weights, {1}, range, "w");
    noise[static_cast<int>(range)] =
        signal_to_noise_db(weights, ops::dequantize_tensor(quantized.tensor, quantized.quant));
  }
  EXPECT_GE(noise[1], noise[0]);
}

TEST(Weights, MustBeFinite) {
  try {
    quantize_weights(f32({2, 1}, {1.0f, std::nanf("")}), {1}, WeightRange::Max, "Conv2D 'c'");
    FAIL();
  } catch (const InvalidModel& error) {
    EXPECT_STREQ(error.what(), "Conv2D 'c': weight 1 is nan, expected a finite number");
  }
  EXPECT_THROW(quantize_weights(f32({2}, {1.0f, 1.0f}), {1}, WeightRange::Max, "w"), InvalidModel);
  EXPECT_THROW(quantize_weights(Tensor(DType::S32, {2}), {0}, WeightRange::Max, "w"), InvalidModel);
  const QuantizedWeights tiny = quantize_weights(f32({1, 1}, {1e-40f}), {1}, WeightRange::Mse, "w");
  EXPECT_TRUE(std::isfinite(1.0f / tiny.quant.scales[0]));
}

}  // namespace
}  // namespace tfengine::quantize
