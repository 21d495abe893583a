// SPDX-License-Identifier: Apache-2.0
// Every calibrator on the data that made other tools give useless ranges.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "quantize/histogram_set.h"
#include "quantize/random_data.h"
#include "quantize/solver.h"

namespace tfengine::quantize {
namespace {

using Values = std::vector<float>;

constexpr size_t kCount = 100000;

class Robustness : public testing::TestWithParam<std::string_view> {
 protected:
  // Of batches that came one after the other.
  float solve(const std::vector<Values>& batches, int levels = kSignedLevels) const {
    Histogram histogram;
    for (const Values& batch : batches) histogram.add(batch.data(), batch.size());
    return solve_max_abs(histogram, {std::string(GetParam()), 99.99, levels});
  }
  bool minmax() const { return GetParam() == "minmax"; }
  // TensorRT's older calibrators count zeros as values.
  bool counts_zeros() const { return GetParam() == "entropy1" || GetParam() == "legacy"; }

  Rng rng_{17};
};

Values with(Values values, std::initializer_list<float> more) {
  values.insert(values.end(), more);
  return values;
}

float max_abs(const Values& values) {
  float most = 0.0f;
  for (const float value : values) most = std::max(most, std::abs(value));
  return most;
}

// Mean squared error of quantizing the values themselves.
double error_of(const Values& values, float bound, int levels) {
  const double step = static_cast<double>(bound) / levels;
  double sum = 0.0;
  for (const float value : values) {
    const double size = std::abs(static_cast<double>(value));
    const double error = size - std::min<double>(std::nearbyint(size / step), levels) * step;
    sum += error * error;
  }
  return sum / static_cast<double>(values.size());
}

TEST_P(Robustness, OutliersOfTenThousand) {
  const Values bulk = normal(rng_, kCount);
  for (const Values& values : {with(bulk, {1e4f}), with(bulk, {-1e4f}), with(bulk, {1e4f, -1e4f, 9.9e3f})}) {
    const float found = solve({values});
    if (minmax()) {
      EXPECT_EQ(found, 1e4f);
      continue;
    }
    EXPECT_GT(found, 2.5f);
    EXPECT_LT(found, 32.0f);
    // The bulk keeps at least 20 dB of signal over noise.
    EXPECT_LT(error_of(bulk, found, kSignedLevels), 0.01);
  }
}

TEST_P(Robustness, FirstBatchTenThousandTimesSmaller) {
  const Values first = normal(rng_, kCount / 10, 1e-4f), rest = normal(rng_, kCount);
  const float found = solve({first, rest});
  EXPECT_EQ(found, solve({rest, first})) << "the range depends on the order of batches";
  Values all = first;
  all.insert(all.end(), rest.begin(), rest.end());
  EXPECT_EQ(found, solve({all})) << "the range depends on the size of batches";
  EXPECT_LE(error_of(all, found, kSignedLevels), 1.05 * error_of(all, max_abs(all), kSignedLevels));
}

TEST_P(Robustness, FirstBatchTenThousandTimesLarger) {
  const Values first = normal(rng_, 100, 1e4f), rest = normal(rng_, kCount);
  const float found = solve({first, rest});
  EXPECT_EQ(found, solve({rest, first}));
  EXPECT_LE(found, max_abs(first));
  EXPECT_GT(found, 2.5f);
}

TEST_P(Robustness, ZerosBehindARelu) {
  const Values dense = relu(normal(rng_, kCount));
  Values sparse = dense;
  sparse.resize(10 * kCount, 0.0f);
  for (const int levels : {kSignedLevels, kUnsignedLevels}) {
    const float found = solve({sparse}, levels);
    if (!counts_zeros()) {
      EXPECT_EQ(found, solve({dense}, levels)) << "zeros, which every grid holds, change the range";
    }
    EXPECT_GT(found, 2.5f);
    EXPECT_LE(found, max_abs(dense));
  }
}

TEST_P(Robustness, FewValues) {
  Values gates(kCount);
  for (float& value : gates) value = rng_() % 3 == 0 ? 1.0f : rng_() % 2 == 0 ? 0.25f : 6.0f;
  for (const int levels : {kSignedLevels, kUnsignedLevels}) {
    EXPECT_LT(error_of(gates, solve({gates}, levels), levels), 1e-3);
    // One value is the end of its own range, within what the grid resolves.
    for (const float value : {2.5f, -3.0f, 1e-6f, 7e8f}) {
      const float found = solve({Values(100, value)}, levels);
      EXPECT_NEAR(found, std::abs(value), std::abs(value) / 64) << value;
    }
  }
  Values binary(kCount);
  for (float& value : binary) value = rng_() % 2 == 0 ? 1.0f : -1.0f;
  EXPECT_LT(error_of(binary, solve({binary}), kSignedLevels), 1e-4);
}

TEST_P(Robustness, NansAndInfinities) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const Values clean = normal(rng_, kCount);
  const float expected = solve({clean});
  // Among the values, in a batch of their own before, and after.
  Values mixed = with(clean, {nan, inf, -inf});
  std::shuffle(mixed.begin(), mixed.end(), rng_);
  const float found = solve({mixed});
  EXPECT_NEAR(found, expected, 1e-6f * expected);
  EXPECT_EQ(solve({Values(1000, nan), clean}), expected);
  EXPECT_EQ(solve({clean, Values(1000, -inf)}), expected);
  EXPECT_EQ(solve({Values(1000, nan), Values(1000, inf)}), 0.0f) << "nothing finite has no range";
}

TEST_P(Robustness, DeadTensors) {
  EXPECT_EQ(solve({}), 0.0f);
  EXPECT_EQ(solve({Values{}}), 0.0f);
  EXPECT_EQ(solve({Values(kCount, 0.0f)}), 0.0f);
  EXPECT_EQ(solve({Values(kCount, -0.0f), Values(3, 0.0f)}), 0.0f);
  // Dead but for one batch.
  const Values alive = normal(rng_, 1000);
  if (!counts_zeros()) {
    EXPECT_EQ(solve({Values(kCount, 0.0f), alive}), solve({alive}));
  }
  EXPECT_GT(solve({Values(kCount, 0.0f), alive}), 1.5f);
}

TEST_P(Robustness, NegativeTensors) {
  Values positive = normal(rng_, kCount);
  for (float& value : positive) value = std::abs(value) + 1.0f;
  Values negative = positive;
  for (float& value : negative) value = -value;
  EXPECT_EQ(solve({negative}), solve({positive})) << "the sign changes the range";
  EXPECT_GT(solve({negative}), 3.0f);
  // Mostly negative, with a small positive end.
  EXPECT_GT(solve({with(negative, {0.125f})}), 3.0f);
}

TEST_P(Robustness, ExtremesOfTheType) {
  const float most = std::numeric_limits<float>::max(), least = std::numeric_limits<float>::denorm_min();
  for (const Values& values : {Values{most, -most}, Values{least, -least}, Values{most, least}, Values{most, 1.0f}}) {
    const float found = solve({values});
    EXPECT_TRUE(std::isfinite(found));
    EXPECT_GT(found, 0.0f);
    EXPECT_LE(found, max_abs(values));
  }
}

INSTANTIATE_TEST_SUITE_P(Calibrators, Robustness,
                         testing::ValuesIn(calibrator_names().begin(), calibrator_names().end()),
                         [](const auto& info) { return std::string(info.param); });

// Samples of three tensors, counted by workers that share them out in any way, merge to the bytes of one worker.
TEST(Merging, AnySplitGivesTheSameBytes) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(seed);
  Rng rng(seed);
  const auto add = [](HistogramSet& set, const Values& sample) {
    set.tensors["all"].add(sample.data(), sample.size());
    set.tensors["part"].add(sample.data(), 7);
    set.channel_sums["all"].add_sample(sample.data(), static_cast<int64_t>(sample.size()) / 10, 10, 10);
    if (set.samples_seen.tensors().empty()) set.samples_seen = SampleLog({"all"}, {{"x", false}});
    set.samples_seen.add({content_hash(kNoContent, sample.data(), sample.size() * sizeof(float)),
                          {max_abs(sample)},
                          {input_facts(sample)}});
    ++set.samples;
  };
  for (int round = 0; round < 20; ++round) {
    std::vector<Values> samples;
    for (int i = 0; i < 24; ++i) {
      Values sample = normal(rng, 500, std::pow(10.0f, static_cast<float>(rng() % 9) - 4.0f));
      for (float& value : sample) value = rng() % 4 == 0 ? std::copysign(0.0f, value) : value;
      if (rng() % 8 == 0) sample = relu(sample);
      samples.push_back(sample);
    }
    HistogramSet whole;
    for (const Values& sample : samples) add(whole, sample);
    std::shuffle(samples.begin(), samples.end(), rng);
    std::vector<HistogramSet> workers(1 + rng() % 7);
    for (const Values& sample : samples) add(workers[rng() % workers.size()], sample);
    // Merged in a random order, two at a time.
    while (workers.size() > 1) {
      const size_t from = rng() % workers.size();
      const HistogramSet taken = workers[from];
      workers.erase(workers.begin() + static_cast<std::ptrdiff_t>(from));
      workers[rng() % workers.size()].merge(taken);
    }
    ASSERT_EQ(serialize(workers[0]), serialize(whole)) << "round " << round;
  }
}

}  // namespace
}  // namespace tfengine::quantize
