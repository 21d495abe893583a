// SPDX-License-Identifier: Apache-2.0
#include "kernels/rfft.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "kernels/eltwise_testing.h"
#include "kernels/guarded.h"

namespace tfengine::kernels {
namespace {

// Rows that fill a group and rows that do not, shorter than the transform and longer.
TEST(Rfft, EqualsThePlainSums) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (const int64_t length : {2, 4, 16, 64, 256}) {
      for (const int64_t rows : {1, 15, 16, 37}) {
        for (const int64_t size : {length, length / 2 + 1, length + 3}) {
          const RfftPlan plan = rfft_plan(length);
          const Guarded<float> src(random_floats(rng, static_cast<size_t>(rows * size)));
          const int64_t numbers = length / 2 + 1;
          Guarded<std::complex<float>> dst(static_cast<size_t>(rows * numbers));
          Guarded<std::byte> workspace(rfft_workspace_bytes(plan, 2), 64);
          rfft(plan, rows, size, src.data(), dst.data(), workspace.data(), 2);
          for (int64_t i = 0; i < rows * numbers; ++i) {
            std::complex<double> exact = 0.0;
            for (int64_t t = 0; t < std::min(size, length); ++t) {
              const double angle =
                  -2.0 * std::numbers::pi * static_cast<double>(i % numbers * t % length) / static_cast<double>(length);
              exact += std::polar(static_cast<double>(src[static_cast<size_t>(i / numbers * size + t)]), angle);
            }
            ASSERT_LT(std::abs(std::complex<double>(dst[static_cast<size_t>(i)]) - exact), 1e-6 * double(length))
                << length << " of " << size << ", " << rows << " rows, number " << i;
          }
        }
      }
    }
  });
}

// Squares that overflow, squares that vanish, and what is no number, beside numbers of usual sizes.
TEST(Rfft, MagnitudesOfAllSizes) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for_each_target([&] {
    for (const size_t count : {1, 7, 16, 1023, 1025, 5000}) {
      for (const float scale : {1.0f, 1e-25f, 1e25f, 3e-42f}) {
        Guarded<std::complex<float>> src(count);
        Guarded<float> dst(count);
        for (size_t i = 0; i < count; ++i) src[i] = scale * std::complex<float>(float(i % 37) - 18, float(i % 11) - 5);
        complex_abs(static_cast<int64_t>(count), src.data(), dst.data(), 2);
        for (size_t i = 0; i < count; ++i) {
          const double exact = std::abs(std::complex<double>(src[i]));
          ASSERT_NEAR(dst[i], exact, 3e-7 * exact + 1e-45) << scale << " " << i;
        }
      }
    }
    const std::vector<std::complex<float>> odd = {{kInfinity, 1.0f}, {3.0f, 4.0f}, {NAN, 0.0f}};
    Guarded<float> dst(odd.size());
    complex_abs(3, odd.data(), dst.data(), 1);
    EXPECT_EQ(dst[0], kInfinity);
    EXPECT_EQ(dst[1], 5.0f);
    EXPECT_TRUE(std::isnan(dst[2]));
  });
}

}  // namespace
}  // namespace tfengine::kernels
