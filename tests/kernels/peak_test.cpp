// SPDX-License-Identifier: Apache-2.0
#include "kernels/peak.h"

#include <cmath>
#include <limits>

#include "kernels/eltwise_testing.h"

namespace tfengine::kernels {
namespace {

TEST(Peak, IsTheLargestFiniteMagnitude) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  std::normal_distribution<float> normal(0, 2);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for_each_target([&] {
    for (const int64_t rows : {1, 3, 200}) {
      for (const int64_t columns : {1, 3, 16, 33, 40000}) {
        for (const int64_t padding : {0, 5}) {
          const int64_t stride = columns + padding;
          std::vector<float> src(size_t(rows * stride));
          for (float& x : src) x = rng() % 50 == 0 ? kInfinity : rng() % 50 == 1 ? std::nanf("") : normal(rng);
          float expected = 0.0f;
          for (int64_t row = 0; row < rows; ++row) {
            for (int64_t c = 0; c < columns; ++c) {
              const float magnitude = std::abs(src[size_t(row * stride + c)]);
              if (std::isfinite(magnitude)) expected = std::max(expected, magnitude);
            }
            // What lies between the rows is not theirs.
            for (int64_t c = columns; c < stride; ++c) src[size_t(row * stride + c)] = 1e6f;
          }
          for (const int threads : {1, 2, 3}) {
            EXPECT_EQ(peak_magnitude(src.data(), rows, columns, stride, threads), expected)
                << rows << " rows, " << columns << " columns, " << threads << " threads";
          }
        }
      }
    }
  });
}

TEST(Peak, OfNothingFiniteIsZero) {
  const std::vector<float> none = {std::nanf(""), std::numeric_limits<float>::infinity(), -0.0f};
  EXPECT_EQ(peak_magnitude(none.data(), 1, 3, 3, 1), 0.0f);
}

}  // namespace
}  // namespace tfengine::kernels
