// SPDX-License-Identifier: Apache-2.0
#include "quantize/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "quantize/histogram_set.h"
#include "quantize/random_data.h"

namespace tfengine::quantize {
namespace {

Histogram of(const std::vector<float>& values) {
  Histogram histogram;
  histogram.add(values.data(), values.size());
  return histogram;
}

// The file's bytes: -0.0 and 0.0 are equal, their bytes are not.
void expect_same(const Histogram& a, const Histogram& b) {
  HistogramSet left, right;
  left.tensors["x"] = a;
  right.tensors["x"] = b;
  EXPECT_EQ(serialize(left), serialize(right));
}

uint64_t total(const Histogram& histogram) {
  return std::accumulate(histogram.positive(), histogram.positive() + 2 * Histogram::kBins, uint64_t{0});
}

TEST(Histogram, KeepsZerosNansAndInfinitiesApart) {
  const float inf = std::numeric_limits<float>::infinity();
  const Histogram histogram = of({0.0f, -0.0f, 1.0f, -2.0f, std::nanf(""), inf, -inf});
  EXPECT_EQ(histogram.moments().count, 7u);
  EXPECT_EQ(histogram.moments().zeros, 2u);
  EXPECT_EQ(histogram.moments().nans, 1u);
  EXPECT_EQ(histogram.moments().infs, 2u);
  EXPECT_EQ(histogram.moments().nonzero(), 2u);
  EXPECT_EQ(histogram.moments().min, -2.0f);
  EXPECT_EQ(histogram.moments().max, 1.0f);
  EXPECT_EQ(histogram.exponent(), -9);  // the smallest e with 2 < 2048 * 2^e
  EXPECT_EQ(histogram.positive()[512], 1u);
  EXPECT_EQ(histogram.negative()[1024], 1u);
  EXPECT_EQ(total(histogram), 2u);
}

TEST(Histogram, HasNoBinsBeforeTheFirstNonzeroValue) {
  const Histogram histogram = of({0.0f, 0.0f});
  EXPECT_EQ(histogram.exponent(), Histogram::kUnset);
  EXPECT_EQ(histogram.moments().max_abs(), 0.0f);
  Histogram empty;
  empty.add(nullptr, 0);
  EXPECT_EQ(empty, Histogram());
}

TEST(Histogram, TakesTheExtremesOfFloat) {
  const float largest = std::numeric_limits<float>::max();
  const float smallest = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(of({largest}).exponent(), Histogram::kMaxExponent);
  EXPECT_EQ(of({largest}).positive()[2047], 1u);
  EXPECT_EQ(of({smallest}).exponent(), Histogram::kMinExponent);
  EXPECT_EQ(of({smallest}).positive()[0], 1u);
  const Histogram both = of({largest, -smallest});
  EXPECT_EQ(both.negative()[0], 1u);
}

TEST(Histogram, GrowsFromATinyFirstBatchWithoutMoreBins) {
  // Growing by the first batch's bin width made other tools use 213,950 bins here, or give up.
  Rng rng(1);
  Histogram histogram = of(normal(rng, 1000, 1e-4f));
  const std::vector<float> second = normal(rng, 1000, 1.0f);
  histogram.add(second.data(), second.size());
  EXPECT_EQ(total(histogram), 2000u);
  EXPECT_LE(histogram.moments().max_abs(), 2048 * histogram.bin_width());
  EXPECT_GE(histogram.moments().max_abs(), 1024 * histogram.bin_width());
}

TEST(Histogram, DoesNotDependOnBatchesOrWorkers) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(seed);
  Rng rng(seed);
  for (int round = 0; round < 30; ++round) {
    std::vector<float> values = wild(rng, 500);
    const Histogram whole = of(values);
    std::shuffle(values.begin(), values.end(), rng);
    Histogram batches, left, right;
    for (size_t begin = 0; begin < values.size();) {
      const size_t end = std::min(values.size(), begin + std::uniform_int_distribution<size_t>(1, 100)(rng));
      batches.add(values.data() + begin, end - begin);
      (begin % 2 == 0 ? left : right).add(values.data() + begin, end - begin);
      begin = end;
    }
    Histogram left_first = left, right_first = right;
    left_first.merge(right);
    right_first.merge(left);
    expect_same(batches, whole);
    expect_same(left_first, whole);
    expect_same(right_first, whole);
  }
}

TEST(Histogram, MergesAssociatively) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(seed);
  Rng rng(seed);
  const Histogram a = of(wild(rng, 200)), b = of(wild(rng, 200)), c = of(wild(rng, 200));
  Histogram first = a, last = b;
  first.merge(b);
  first.merge(c);
  last.merge(c);
  Histogram second = a;
  second.merge(last);
  expect_same(first, second);
  Histogram with_empty = a;
  with_empty.merge(Histogram());
  expect_same(with_empty, a);
}

TEST(Histogram, TakesCountsFromElsewhere) {
  Rng rng(2);
  const std::vector<float> values = normal(rng, 1000);
  Histogram histogram;
  Moments moments;
  for (const float value : values) moments.add(value);
  const int exponent = histogram.prepare(moments.max_abs());
  histogram.add_moments(moments);
  for (const float value : values) {
    const auto bin = static_cast<size_t>(std::ldexp(std::abs(value), -exponent));
    ++(value > 0 ? histogram.positive() : histogram.negative())[bin];
  }
  histogram.add_log(values.data(), values.size());
  EXPECT_EQ(histogram, of(values));
}

TEST(Histogram, FoldsCountsInPairs) {
  Histogram histogram = of({1.0f, 3.0f});
  EXPECT_EQ(histogram.prepare(3.0f), -9);
  EXPECT_EQ(histogram.prepare(4.0f), -8);
  EXPECT_EQ(histogram.positive()[256], 1u);
  EXPECT_EQ(histogram.positive()[768], 1u);
  EXPECT_EQ(histogram.prepare(0.0f), -8);
}

TEST(LogBins, AreEighthsOfPowersOfTwo) {
  EXPECT_EQ(log_bin_edge(0), std::ldexp(1.0, -20));
  EXPECT_EQ(log_bin_edge(Histogram::kLogBins), 4096.0);
  for (int bin = 0; bin < Histogram::kLogBins; ++bin) {
    EXPECT_LE(log_bin_edge(bin + 1) / log_bin_edge(bin), 1.1251);
    EXPECT_EQ(log_bin(static_cast<float>(log_bin_edge(bin))), bin);
    EXPECT_EQ(log_bin(-std::nextafter(static_cast<float>(log_bin_edge(bin + 1)), 0.0f)), bin);
  }
  EXPECT_EQ(log_bin(1e-30f), 0);
  EXPECT_EQ(log_bin(1e30f), Histogram::kLogBins - 1);
}

}  // namespace
}  // namespace tfengine::quantize
