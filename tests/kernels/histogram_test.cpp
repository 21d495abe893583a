// SPDX-License-Identifier: Apache-2.0
#include "kernels/histogram.h"

#include <climits>
#include <limits>
#include <numeric>

#include "kernels/eltwise_testing.h"

namespace tfengine::kernels {
namespace {

struct Counts {
  int exponent = kUnset;
  Moments moments = empty_moments();
  std::vector<uint64_t> positive = std::vector<uint64_t>(kHistogramBins), negative = positive;

  static constexpr int kUnset = INT_MIN;

  // As owners do: bins wide enough for what came before and for `max_abs`.
  HistogramSink prepare(float max_abs) {
    const int wanted = std::max(exponent, histogram_exponent(max_abs));
    if (exponent != kUnset && wanted > exponent) {
      for (auto* side : {&positive, &negative}) {
        std::vector<uint64_t> folded(kHistogramBins);
        for (size_t k = 0; k < side->size(); ++k) folded[k >> std::min(wanted - exponent, 31)] += (*side)[k];
        *side = folded;
      }
    }
    exponent = wanted;
    return {exponent, positive.data(), negative.data()};
  }
  void add(const FloatRows& src, int threads) {
    std::vector<uint8_t> memory(histogram_workspace_bytes(threads) + 64, 0xEE);
    void* workspace = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
    histogram_add(
        src, exponent, [&](float max_abs) { return prepare(max_abs); }, moments, workspace, threads);
  }
};

void expect_equal(const Counts& a, const Counts& b) {
  EXPECT_EQ(a.moments.min, b.moments.min);
  EXPECT_EQ(a.moments.max, b.moments.max);
  EXPECT_EQ(a.moments.count, b.moments.count);
  EXPECT_EQ(a.moments.zeros, b.moments.zeros);
  EXPECT_EQ(a.moments.nans, b.moments.nans);
  EXPECT_EQ(a.moments.infs, b.moments.infs);
  EXPECT_EQ(a.exponent, b.exponent);
  EXPECT_EQ(a.positive, b.positive);
  EXPECT_EQ(a.negative, b.negative);
}

Counts reference(std::initializer_list<FloatRows> batches) {
  Counts c;
  Moments& m = c.moments;
  const auto for_each = [&](auto&& f) {
    for (const FloatRows& src : batches) {
      for (int64_t i = 0; i < src.rows * src.cols; ++i) f(src.data[i / src.cols * src.stride + i % src.cols]);
    }
  };
  for_each([&](float x) {
    ++m.count;
    m.zeros += x == 0, m.nans += std::isnan(x), m.infs += std::isinf(x);
    if (std::isfinite(x)) m.min = std::min(m.min, x), m.max = std::max(m.max, x);
  });
  if (max_abs(m) == 0.0f) return c;
  c.exponent = histogram_exponent(max_abs(m));
  for_each([&](float x) {
    if (!std::isfinite(x) || x == 0) return;
    ++(x > 0 ? c.positive : c.negative)[size_t(std::floor(std::ldexp(std::abs(double(x)), -c.exponent)))];
  });
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
    for (int64_t cols : {1, 3, 7, 8, 15, 16, 17, 100, 4095, 4096, 4097, 50001}) {
      const std::vector<float> x = activations(rng, size_t(cols + 2) * 3);
      const FloatRows src{x.data(), 3, cols, cols + 2};
      const Counts expected = reference({src});
      for (int threads : {1, 2, 3}) {
        SCOPED_TRACE(testing::Message() << cols << " columns, " << threads << " threads");
        Counts counts;
        counts.add(src, threads);
        expect_equal(counts, expected);
      }
    }
  });
}

// A later batch may be larger or smaller than all before, from one value to the next.
TEST(Histogram, WidensItsBinsWhileItCounts) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  constexpr int64_t kValues = 40000;
  for_each_target([&] {
    for (const float factor : {1e-30f, 1e-4f, 1.0f, 3.0f, 1e4f, 1e30f}) {
      std::vector<float> first = activations(rng, kValues), second = activations(rng, kValues);
      for (float& x : second) x *= factor;
      second[31000] = 50.0f * factor;
      const FloatRows a{first.data(), 1, kValues, kValues}, b{second.data(), 1, kValues, kValues};
      const Counts expected = reference({a, b});
      for (int threads : {1, 2}) {
        SCOPED_TRACE(testing::Message() << factor << ", " << threads << " threads");
        Counts counts;
        counts.add(a, threads);
        counts.add(b, threads);
        expect_equal(counts, expected);
      }
    }
  });
}

TEST(Histogram, CountsManyEqualValues) {
  // More in one bin than its 16 bits hold between two additions.
  const std::vector<float> x(700001, 1.5f);
  for_each_target([&] {
    for (int threads : {1, 2}) {
      Counts counts;
      counts.add({x.data(), 1, int64_t(x.size()), int64_t(x.size())}, threads);
      EXPECT_EQ(counts.positive[1536], x.size());
      EXPECT_EQ(counts.moments.zeros, 0u);
    }
  });
}

TEST(Histogram, BinEdgesAndSpecialValues) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const float below = std::nextafter(0.5f, 0.0f);
  std::vector<float> x = {0.5f, below, -0.5f, -below, 0.0f, -0.0f, inf, -inf, nan, 1023.75f, -1023.5f, 1e-45f};
  const size_t special = x.size();
  for_each_target([&] {
    for (const size_t padding : {size_t{0}, size_t{100}}) {
      // Among others they are met by the vector loop, alone by what follows it.
      x.resize(special + padding, 0.75f);
      Counts c;
      c.add({x.data(), 1, int64_t(x.size()), 0}, 1);
      EXPECT_EQ(c.exponent, -1);
      EXPECT_EQ(c.positive[1], 1u + padding);
      EXPECT_EQ(c.positive[0], 2u);  // `below` and the subnormal
      EXPECT_EQ(c.negative[1], 1u);
      EXPECT_EQ(c.negative[0], 1u);
      EXPECT_EQ(c.positive[2047], 1u);
      EXPECT_EQ(c.negative[2047], 1u);
      EXPECT_EQ(std::accumulate(c.positive.begin(), c.positive.end(), uint64_t{0}), 4u + padding);
      EXPECT_EQ(std::accumulate(c.negative.begin(), c.negative.end(), uint64_t{0}), 3u);
      EXPECT_EQ(c.moments.zeros, 2u);
      EXPECT_EQ(c.moments.nans, 1u);
      EXPECT_EQ(c.moments.infs, 2u);
      EXPECT_EQ(c.moments.count, x.size());
    }
  });
}

TEST(Histogram, NonFiniteValuesAmongOthers) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  const float inf = std::numeric_limits<float>::infinity();
  for_each_target([&] {
    std::vector<float> x = activations(rng, 30001);
    for (int i = 0; i < 50; ++i) {
      x[rng() % x.size()] = std::numeric_limits<float>::quiet_NaN();
      x[rng() % x.size()] = rng() % 2 == 0 ? inf : -inf;
    }
    const FloatRows src{x.data(), 1, int64_t(x.size()), int64_t(x.size())};
    for (int threads : {1, 2}) {
      Counts counts;
      counts.add(src, threads);
      expect_equal(counts, reference({src}));
    }
  });
}

TEST(Histogram, TakesTheLargestAndTheSmallestFloats) {
  const float most = std::numeric_limits<float>::max(), least = std::numeric_limits<float>::denorm_min();
  for_each_target([&] {
    for (const float x : {most, -most, least, -least, std::numeric_limits<float>::min()}) {
      const std::vector<float> values(50, x);
      const FloatRows src{values.data(), 1, 50, 50};
      Counts counts;
      counts.add(src, 1);
      const Counts expected = reference({src});
      EXPECT_EQ(counts.exponent, expected.exponent);
      const auto& side = x > 0 ? counts.positive : counts.negative;
      EXPECT_EQ(std::accumulate(side.begin(), side.end(), uint64_t{0}), 50u) << x;
    }
  });
}

TEST(Histogram, AddsToWhatIsThere) {
  const std::vector<float> x(100, 1.0f);
  Counts c;
  c.exponent = -2;
  c.positive[4] = uint64_t{1} << 40;
  c.moments.count = 7;
  c.add({x.data(), 1, 100, 100}, 1);
  EXPECT_EQ(c.positive[4], (uint64_t{1} << 40) + 100);
  EXPECT_EQ(c.moments.count, 107u);
}

TEST(Histogram, NoFiniteNonzeroValue) {
  for (const float x : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity(), 0.0f}) {
    const std::vector<float> values(33, x);
    Counts c;
    c.add({values.data(), 1, 33, 33}, 1);
    EXPECT_EQ(c.exponent, Counts::kUnset) << "bins were prepared for nothing";
    EXPECT_EQ(c.moments.nans + c.moments.infs + c.moments.zeros, 33u);
    EXPECT_EQ(max_abs(c.moments), 0.0f);
  }
}

}  // namespace
}  // namespace tfengine::kernels
