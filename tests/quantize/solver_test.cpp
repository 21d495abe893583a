// SPDX-License-Identifier: Apache-2.0
// Each calibrator against brute force on the data themselves, and against the known failures of other tools.
#include "quantize/solver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "quantize/random_data.h"
#include "quantize/solvers/solvers.h"
#include "tfengine/error.h"

namespace tfengine::quantize {
namespace {

Histogram of(const std::vector<float>& values) {
  Histogram histogram;
  histogram.add(values.data(), values.size());
  return histogram;
}

float solve(const std::vector<float>& values, const std::string& calibrator, int levels = kSignedLevels) {
  return solve_max_abs(of(values), {calibrator, 99.99, levels});
}

// Mean squared error of quantizing the values themselves.
double true_error(const std::vector<float>& values, double max_abs, int levels) {
  const double step = max_abs / levels;
  double sum = 0.0;
  for (const float value : values) {
    const double magnitude = std::abs(value);
    const double error = magnitude - std::min<double>(std::nearbyint(magnitude / step), levels) * step;
    sum += error * error;
  }
  return sum / static_cast<double>(values.size());
}

double best_true_error(const std::vector<float>& values, int levels) {
  float max_abs = 0.0f;
  for (const float value : values) max_abs = std::max(max_abs, std::abs(value));
  double best = true_error(values, max_abs, levels);
  for (double bound = max_abs; bound > max_abs / 100; bound *= 0.99) {
    best = std::min(best, true_error(values, bound, levels));
  }
  return best;
}

std::vector<float> with(std::vector<float> values, std::initializer_list<float> more) {
  values.insert(values.end(), more);
  return values;
}

const std::string kAll[] = {"auto", "entropy", "entropy1", "legacy", "minmax", "moving_average", "mse", "percentile"};

TEST(Solver, NamesItsCalibrators) {
  EXPECT_TRUE(std::equal(calibrator_names().begin(), calibrator_names().end(), std::begin(kAll), std::end(kAll)));
  try {
    solve({1.0f}, "kl");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(),
                 "calibrator 'kl' is unknown, expected one of auto, entropy, entropy1, legacy, minmax, moving_average, "
                 "mse, percentile");
  }
  EXPECT_THROW(check_solver_options({"percentile", 0.0, 127}), InvalidArgument);
  EXPECT_THROW(check_solver_options({"percentile", std::nan(""), 127}), InvalidArgument);
  EXPECT_THROW(check_solver_options({"mse", 99.0, 0}), InvalidArgument);
}

TEST(Solver, EstimatesTheErrorOfTheData) {
  Rng rng(3);
  for (const std::vector<float>& values :
       {normal(rng, 50000), relu(normal(rng, 50000)), with(normal(rng, 50000), {9.0f, -12.0f})}) {
    const Histogram histogram = of(values);
    const Magnitudes magnitudes = magnitudes_of(histogram);
    for (const int levels : {kSignedLevels, kUnsignedLevels}) {
      for (const double bound : {0.5, 1.0, 2.5, 4.0, 6.0}) {
        const double estimate = quantization_error(magnitudes, bound, levels) / static_cast<double>(values.size());
        const double real = true_error(values, bound, levels);
        EXPECT_NEAR(estimate, real, 0.05 * real) << bound << " " << levels;
      }
    }
  }
}

TEST(Solver, MseFindsTheLeastErrorOnSeveralShapes) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(seed);
  Rng rng(seed);
  std::vector<float> laplace = normal(rng, 20000);
  for (float& value : laplace) value = std::copysign(value * value, value);
  std::vector<float> uniform(20000);
  for (float& value : uniform) value = std::uniform_real_distribution<float>(-3, 3)(rng);
  for (const std::vector<float>& values :
       {normal(rng, 20000), relu(normal(rng, 20000)), laplace, uniform, with(normal(rng, 20000), {8.0f, -9.0f})}) {
    for (const int levels : {kSignedLevels, kUnsignedLevels}) {
      const double found = true_error(values, solve(values, "mse", levels), levels);
      EXPECT_LE(found, 1.02 * best_true_error(values, levels));
      EXPECT_LE(true_error(values, solve(values, "auto", levels), levels), 1.06 * best_true_error(values, levels));
    }
  }
}

TEST(Solver, AutoIsNotNarrowerThanMse) {
  Rng rng(4);
  const std::vector<float> values = normal(rng, 50000);
  EXPECT_GE(solve(values, "auto"), solve(values, "mse"));
}

TEST(Solver, EntropyIsNotTheMaximumOnHeavyTails) {
  // ONNX Runtime's default of 128 bins gives the maximum here; 2048 bins give about 3.2 (99.99 percentile: 3.8).
  Rng rng(5);
  std::vector<float> values = normal(rng, 200000);
  for (float& value : values) value = std::abs(value);
  values = with(values, {35.0f, 42.0f, 50.0f});
  for (const std::string calibrator : {"entropy", "auto", "percentile"}) {
    EXPECT_GT(solve(values, calibrator), 2.5f) << calibrator;
    EXPECT_LT(solve(values, calibrator), 8.0f) << calibrator;
  }
  // By squared error alone the three outliers outweigh all others.
  EXPECT_GT(solve(values, "mse"), 25.0f);
  EXPECT_EQ(solve(values, "minmax"), 50.0f);
}

// TensorRT's algorithm written down without prefix sums: the number of bins that are kept.
size_t plain_entropy(const std::vector<double>& bins, int levels) {
  const size_t groups = static_cast<size_t>(levels) + 1;
  double least = std::numeric_limits<double>::infinity();
  size_t best = bins.size();
  for (size_t n = groups; n <= bins.size(); ++n) {
    std::vector<double> p(bins.begin(), bins.begin() + static_cast<std::ptrdiff_t>(n)), q(n, 0.0);
    for (size_t k = n; k < bins.size(); ++k) p.back() += bins[k];
    for (size_t group = 0; group < groups; ++group) {
      const size_t begin = group * n / groups, end = (group + 1) * n / groups;
      double sum = 0, filled = 0;
      for (size_t k = begin; k < end; ++k) sum += bins[k], filled += bins[k] > 0;
      for (size_t k = begin; k < end; ++k) q[k] = bins[k] > 0 ? sum / filled : 0.0;
    }
    double p_sum = 0, q_sum = 0, divergence = 0;
    for (size_t k = 0; k < n; ++k) p_sum += p[k], q_sum += q[k];
    for (size_t k = 0; k < n; ++k) {
      if (p[k] > 0) divergence += p[k] / p_sum * std::log(p[k] / p_sum / (q[k] / q_sum));
    }
    if (divergence < least) least = divergence, best = n;
  }
  return best;
}

TEST(Solver, EntropyEqualsItsDefinition) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(seed);
  Rng rng(seed);
  for (int round = 0; round < 4; ++round) {
    const std::vector<float> values =
        with(round % 2 == 0 ? normal(rng, 30000) : relu(normal(rng, 30000)), {6.0f + static_cast<float>(round)});
    const Histogram histogram = of(values);
    const Magnitudes magnitudes = magnitudes_of(histogram);
    std::vector<double> bins;
    for (int k = 0; k <= magnitudes.max / histogram.bin_width() && k < Histogram::kBins; ++k) {
      bins.push_back(static_cast<double>(histogram.positive()[k] + histogram.negative()[k]));
    }
    const auto bound = [](size_t kept, double width) { return (static_cast<double>(kept) + 0.5) * width; };
    const double second = bound(plain_entropy(bins, kSignedLevels), histogram.bin_width());
    EXPECT_FLOAT_EQ(solve(values, "entropy"), static_cast<float>(guarded(magnitudes, second, kSignedLevels)));
    // The first form: 2048 bins over what was seen, zeros among them, 128 groups for any grid.
    double beyond = 0.0;
    bins = equal_bins(magnitudes, magnitudes.max * (1 + 1e-9), Histogram::kBins, beyond);
    bins[0] += magnitudes.zeros;
    const double first = bound(plain_entropy(bins, kSignedLevels), magnitudes.max / Histogram::kBins);
    EXPECT_FLOAT_EQ(solve(values, "entropy1", kUnsignedLevels),
                    static_cast<float>(guarded(magnitudes, first, kUnsignedLevels)));
  }
}

TEST(Solver, PercentileIsThatOfTheNonzeroValues) {
  Rng rng(6);
  std::vector<float> values = normal(rng, 100000);
  std::vector<float> magnitudes(values.size());
  std::transform(values.begin(), values.end(), magnitudes.begin(), [](float value) { return std::abs(value); });
  std::sort(magnitudes.begin(), magnitudes.end());
  values.resize(300000, 0.0f);
  const Histogram histogram = of(values);
  for (const double percent : {50.0, 90.0, 99.0, 99.9}) {
    const float exact = magnitudes[static_cast<size_t>(std::ceil(1000.0 * percent)) - 1];
    const double found = percentile_of(magnitudes_of(histogram), percent);
    EXPECT_GE(found, exact);
    EXPECT_LE(found, exact + histogram.bin_width());
  }
  // As a range, 50 % would clip far more than it gains: the guard takes the maximum.
  EXPECT_EQ(solve_max_abs(histogram, {"percentile", 50.0, 127}), magnitudes.back());
  EXPECT_EQ(solve_max_abs(histogram, {"percentile", 100.0, 127}), magnitudes.back());
}

TEST(Solver, ZerosDoNotPullTheRangeDown) {
  // Post-ReLU tensors have 40 to 90 % zeros, which dominate histograms that count them in the first bin.
  Rng rng(7);
  std::vector<float> sparse = normal(rng, 20000);
  for (float& value : sparse) value = std::abs(value);
  std::vector<float> dense = sparse;
  sparse.resize(200000, 0.0f);
  for (const std::string& calibrator : kAll) {
    // TensorRT's older two count zeros as values.
    if (calibrator == "entropy1" || calibrator == "legacy") continue;
    EXPECT_EQ(solve(sparse, calibrator), solve(dense, calibrator)) << calibrator;
  }
}

TEST(Solver, LegacyIsTheQuantileOfAllValues) {
  Rng rng(14);
  std::vector<float> values = normal(rng, 10000);
  std::vector<float> magnitudes(values.size());
  std::transform(values.begin(), values.end(), magnitudes.begin(), [](float value) { return std::abs(value); });
  std::sort(magnitudes.begin(), magnitudes.end());
  values.resize(40000, 0.0f);
  const Histogram histogram = of(values);
  // Of 40000 values 30000 are zero: the 39998th of all is the 9998th of the others.
  const float found = solve_max_abs(histogram, {"legacy", 99.995, 127});
  EXPECT_GE(found, magnitudes[9998 - 1]);
  EXPECT_LE(found, magnitudes[9998 - 1] + 2 * histogram.bin_width());
  EXPECT_LT(found, magnitudes.back());
  EXPECT_EQ(solve_max_abs(histogram, {"legacy", 50.0, 127}), magnitudes.back())
      << "a quantile among the zeros is no range";
}

TEST(Solver, MovingAverageIsTheMeanOfTheSamplesMaxima) {
  Rng rng(15);
  const Histogram histogram = of(with(normal(rng, 100000), {6.0f}));
  EXPECT_FLOAT_EQ(solve_max_abs(histogram, {"moving_average", 99.99, 127, 4.5}), 4.5f);
  EXPECT_FLOAT_EQ(solve_max_abs(histogram, {"moving_average", 99.99, 127, 7.0}), 6.0f) << "beyond the maximum";
  EXPECT_FLOAT_EQ(solve_max_abs(histogram, {"moving_average", 99.99, 127}), 6.0f) << "without samples";
}

TEST(Solver, FewValuedTensorsDoNotCollapse) {
  Rng rng(8);
  std::vector<float> gates(10000);
  for (float& value : gates) value = rng() % 3 == 0 ? 1.0f : rng() % 2 == 0 ? 0.25f : 6.0f;
  const std::vector<float> one_value(100, 2.5f);
  const std::vector<float> one_element(1, -3.0f);
  for (const std::string& calibrator : kAll) {
    EXPECT_LT(true_error(gates, solve(gates, calibrator), 127), 1e-3) << calibrator;
    EXPECT_NEAR(solve(one_value, calibrator), 2.5f, 0.03f) << calibrator;
    EXPECT_NEAR(solve(one_element, calibrator), 3.0f, 0.03f) << calibrator;
  }
}

TEST(Solver, GateLikeTensorsKeepTheirError) {
  // Sigmoid, swish and hard-swish outputs, where KL alone collapsed EfficientNet-Lite0 to 31 %.
  Rng rng(9);
  std::vector<float> swish = normal(rng, 50000, 3.0f), sigmoid = swish, hard_swish = swish;
  for (float& x : sigmoid) x = 1 / (1 + std::exp(-x));
  for (float& x : swish) x = x / (1 + std::exp(-x));
  for (float& x : hard_swish) x = x * std::clamp(x + 3, 0.0f, 6.0f) / 6;
  for (const std::vector<float>& values : {swish, sigmoid, hard_swish}) {
    const double by_maximum = true_error(values, solve(values, "minmax"), 127);
    for (const std::string& calibrator : kAll) {
      EXPECT_LE(true_error(values, solve(values, calibrator), 127), 1.01 * by_maximum) << calibrator;
    }
  }
}

TEST(Solver, OneHugeOutlierDoesNotEraseTheRest) {
  Rng rng(10);
  for (const float outlier : {1e3f, 1e6f, 1e30f}) {
    const std::vector<float> values = with(normal(rng, 100000), {outlier});
    for (const std::string calibrator : {"auto", "entropy", "mse", "percentile"}) {
      const float found = solve(values, calibrator);
      EXPECT_GT(found, 2.0f) << calibrator << " " << outlier;
      EXPECT_LT(found, 64.0f) << calibrator << " " << outlier;
    }
    EXPECT_EQ(solve(values, "minmax"), outlier);
  }
}

TEST(Solver, SampledLogarithmicCountsAreEnough) {
  Rng rng(11);
  const std::vector<float> values = with(normal(rng, 100000), {1e20f});
  Histogram histogram;
  Moments moments;
  for (const float value : values) moments.add(value);
  const int exponent = histogram.prepare(moments.max_abs());
  histogram.add_moments(moments);
  for (const float value : values) {
    ++(value > 0 ? histogram.positive()
                 : histogram.negative())[static_cast<size_t>(std::ldexp(std::abs(value), -exponent))];
  }
  histogram.add_log(values.data(), values.size(), 16);
  const float found = solve_max_abs(histogram, {"auto", 99.99, 127});
  EXPECT_GT(found, 2.0f);
  EXPECT_LT(found, 64.0f);
}

TEST(Solver, NegativeTensorsUseTheirMagnitude) {
  // max(highest, lowest) instead of max(|.|) gave another tool far too small a range here.
  Rng rng(12);
  std::vector<float> values = normal(rng, 10000);
  for (float& value : values) value = -std::abs(value) - 1.0f;
  for (const std::string& calibrator : kAll) EXPECT_GT(solve(values, calibrator), 3.0f) << calibrator;
}

TEST(Solver, DeadAndBrokenTensorsHaveNoRange) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  for (const std::string& calibrator : kAll) {
    EXPECT_EQ(solve({}, calibrator), 0.0f);
    EXPECT_EQ(solve({0.0f, -0.0f}, calibrator), 0.0f);
    EXPECT_EQ(solve({nan, inf}, calibrator), 0.0f);
    EXPECT_NEAR(solve({nan, 1.0f, -inf, 1.0f}, calibrator), 1.0f, 0.01f);
    EXPECT_GT(solve({1e-42f, -1e-42f}, calibrator), 0.0f);
    EXPECT_TRUE(std::isfinite(solve({std::numeric_limits<float>::max(), -1.0f}, calibrator)));
  }
}

TEST(Solver, OrderOfCalibratorsDoesNotMatter) {
  // In one tool, running entropy altered the histogram that the next method read.
  Rng rng(13);
  const Histogram histogram = of(normal(rng, 1000));
  const Histogram before = histogram;
  for (const std::string& calibrator : kAll) solve_max_abs(histogram, {calibrator, 99.9, 255});
  EXPECT_EQ(histogram, before);
}

}  // namespace
}  // namespace tfengine::quantize
