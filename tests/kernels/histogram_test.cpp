// SPDX-License-Identifier: Apache-2.0
#include "kernels/histogram.h"

#include <limits>

#include "kernels/eltwise_testing.h"

namespace tfengine::kernels {
namespace {

struct Counts {
  std::vector<uint64_t> positive = std::vector<uint64_t>(kHistogramBins), negative = positive;
  bool operator==(const Counts&) const = default;
};

Counts count(const FloatRows& src, int exponent, int threads) {
  Counts c;
  std::vector<uint8_t> memory(histogram_workspace_bytes(threads) + 64, 0xEE);
  void* workspace = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
  histogram_add(src, {exponent, c.positive.data(), c.negative.data()}, workspace, threads);
  return c;
}

Counts count_reference(const FloatRows& src, int exponent) {
  Counts c;
  for (int64_t r = 0; r < src.rows; ++r) {
    for (int64_t i = 0; i < src.cols; ++i) {
      const float x = src.data[r * src.stride + i];
      if (!std::isfinite(x) || x == 0) continue;
      const double bin = std::floor(std::ldexp(std::abs(double(x)), -exponent));
      ++(x > 0 ? c.positive : c.negative)[size_t(std::min<double>(bin, kHistogramBins - 1))];
    }
  }
  return c;
}

std::vector<float> activations(Rng& rng, size_t n) {
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> x(n);
  for (float& v : x) v = rng() % 3 ? normal(rng) : 0.0f;
  return x;
}

TEST(Histogram, ExponentHoldsTheLargestValue) {
  for (float x : {1.0f, 0.999f, 2047.9f, 2048.0f, 1e-20f, 3e38f}) {
    const int e = histogram_exponent(x);
    EXPECT_LT(double(x), kHistogramBins * std::ldexp(1.0, e)) << x;
    EXPECT_GE(double(x), kHistogramBins * std::ldexp(1.0, e - 1)) << x;
  }
}

TEST(Histogram, CountsEqualReference) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (int64_t cols : {1, 3, 7, 8, 15, 16, 17, 100, 8191, 8192, 8193, 50001}) {
      const std::vector<float> x = activations(rng, size_t(cols + 2) * 3);
      const FloatRows src{x.data(), 3, cols, cols + 2};
      for (int exponent : {-8, -6, -9}) {
        const Counts expected = count_reference(src, exponent);
        for (int threads : {1, 2})
          ASSERT_EQ(count(src, exponent, threads), expected) << cols << " columns, " << threads;
      }
    }
  });
}

TEST(Histogram, BinEdgesAndSpecialValues) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const float below = std::nextafter(0.5f, 0.0f);
  const std::vector<float> x = {0.5f, below, -0.5f,    -below,   0.0f,  -0.0f, inf,
                                -inf, nan,   1023.75f, -1023.5f, 1e30f, 1e-45f};
  for_each_target([&] {
    const Counts c = count({x.data(), 1, int64_t(x.size()), 0}, -1, 1);
    EXPECT_EQ(c.positive[1], 1u);
    EXPECT_EQ(c.positive[0], 2u);  // `below` and the subnormal
    EXPECT_EQ(c.negative[1], 1u);
    EXPECT_EQ(c.negative[0], 1u);
    EXPECT_EQ(c.positive[2047], 2u);  // 1023.75 and what lies beyond the last bin
    EXPECT_EQ(c.negative[2047], 1u);
    uint64_t total = 0;
    for (int k = 0; k < kHistogramBins; ++k) total += c.positive[size_t(k)] + c.negative[size_t(k)];
    EXPECT_EQ(total, 8u);
  });
}

TEST(Histogram, AddsToWhatIsThere) {
  const std::vector<float> x(100, 1.0f);
  Counts c;
  c.positive[4] = uint64_t{1} << 40;
  std::vector<uint8_t> memory(histogram_workspace_bytes(1) + 64);
  void* workspace = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
  histogram_add({x.data(), 1, 100, 100}, {-2, c.positive.data(), c.negative.data()}, workspace, 1);
  EXPECT_EQ(c.positive[4], (uint64_t{1} << 40) + 100);
}

TEST(Histogram, MomentsEqualReference) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  const float inf = std::numeric_limits<float>::infinity();
  for_each_target([&] {
    for (int64_t cols : {1, 2, 7, 8, 9, 1000, 30001}) {
      std::vector<float> x = activations(rng, size_t(cols));
      if (cols > 8) x[3] = std::numeric_limits<float>::quiet_NaN(), x[5] = inf, x[6] = -inf, x[7] = inf;
      Moments e = empty_moments();
      for (float v : x) {
        ++e.count;
        e.zeros += v == 0, e.nans += std::isnan(v), e.infs += std::isinf(v);
        if (!std::isfinite(v)) continue;
        e.min = std::min(e.min, v), e.max = std::max(e.max, v);
      }
      Moments one = empty_moments(), two = empty_moments();
      absmax_stats({x.data(), 1, cols, cols}, one, 1);
      absmax_stats({x.data(), 1, cols, cols}, two, 2);
      EXPECT_EQ(one.min, e.min);
      EXPECT_EQ(one.max, e.max);
      EXPECT_EQ(one.count, e.count);
      EXPECT_EQ(one.zeros, e.zeros);
      EXPECT_EQ(one.nans, e.nans);
      EXPECT_EQ(one.infs, e.infs);
      EXPECT_TRUE(two.min == one.min && two.max == one.max && two.count == one.count && two.zeros == one.zeros &&
                  two.nans == one.nans && two.infs == one.infs)
          << "moments depend on the number of threads";
      EXPECT_EQ(max_abs(one), std::max(std::abs(e.min), std::abs(e.max)));
    }
  });
}

TEST(Histogram, NoFiniteValue) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Moments m = empty_moments();
  absmax_stats({&nan, 1, 1, 1}, m, 1);
  EXPECT_EQ(m.nans, 1u);
  EXPECT_EQ(max_abs(m), 0.0f);
}

}  // namespace
}  // namespace tfengine::kernels
