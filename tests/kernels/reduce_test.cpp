// SPDX-License-Identifier: Apache-2.0
#include "kernels/reduce.h"

#include <limits>

#include "kernels/eltwise_testing.h"
#include "kernels/guarded.h"
#include "kernels/layer_norm.h"
#include "kernels/softmax.h"

namespace tfengine::kernels {
namespace {

void check(Rng& rng, ReduceKind kind, const ReduceShape& s) {
  int64_t total = 1, kept = 1;
  for (int i = 0; i < s.rank; ++i) total *= s.dims[i], kept *= s.reduced[i] ? 1 : s.dims[i];
  const Guarded<float> src(random_floats(rng, size_t(total), kind == ReduceKind::Prod ? 0.9f : -2.0f, 1.1f));
  const double start[] = {0, 0, -1e30, 1e30, 1};
  std::vector<double> expected(size_t(kept), start[int(kind)]), size(size_t(kept), 0.0);
  for (int64_t i = 0; i < total; ++i) {
    int64_t index = i, at = 0, step = 1;
    for (int k = s.rank - 1; k >= 0; --k) {
      if (!s.reduced[k]) at += index % s.dims[k] * step, step *= s.dims[k];
      index /= s.dims[k];
    }
    double& r = expected[size_t(at)];
    const double x = double(src[size_t(i)]);
    size[size_t(at)] += std::abs(x);
    if (kind == ReduceKind::Max)
      r = std::max(r, x);
    else if (kind == ReduceKind::Min)
      r = std::min(r, x);
    else if (kind == ReduceKind::Prod)
      r *= x;
    else
      r += x;
  }
  const double folded = double(total) / double(kept);
  for (int threads : {1, 2}) {
    Guarded<float> dst(static_cast<size_t>(kept));
    reduce_f32(kind, s, src.data(), dst.data(), threads);
    for (size_t i = 0; i < dst.size(); ++i) {
      const double e = kind == ReduceKind::Mean ? expected[i] / folded : expected[i];
      // Rounding of sums in parts: a few units in the last place of the sum of sizes.
      const double allowed = kind == ReduceKind::Prod ? 1e-6 * folded * std::abs(e) + 1e-30
                                                      : 3e-6 * size[i] / (kind == ReduceKind::Mean ? folded : 1) + 1e-7;
      ASSERT_NEAR(dst[i], e, allowed) << "kind " << int(kind) << " rank " << s.rank << " result " << i;
    }
  }
}

TEST(Reduce, RandomAxes) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (int round = 0; round < 200; ++round) {
      ReduceShape s;
      s.rank = int(rng() % 6);
      for (int i = 0; i < s.rank; ++i) s.dims[i] = 1 + int64_t(rng() % 9), s.reduced[i] = rng() % 2;
      check(rng, ReduceKind(rng() % 5), s);
      if (HasFatalFailure()) return;
    }
  });
}

TEST(Reduce, LongRuns) {
  Rng rng(3);
  for_each_target([&] {
    for (ReduceKind kind : {ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max, ReduceKind::Min}) {
      check(rng, kind, {2, {3, 100003}, {false, true}});
      check(rng, kind, {2, {1003, 2050}, {true, false}});
      check(rng, kind, {4, {2, 7, 7, 1280}, {false, true, true, false}});
      // Few results of much: in chunks.
      check(rng, kind, {2, {1, 500009}, {false, true}});
      check(rng, kind, {3, {301, 5, 311}, {true, false, true}});
      check(rng, kind, {2, {60013, 3}, {true, false}});
      check(rng, kind, {2, {20011, 21}, {true, false}});
      check(rng, kind, {4, {70, 3, 90, 65}, {true, false, true, false}});
    }
    for (int64_t columns = 1; columns < 40; ++columns) {
      for (int64_t rows : {1, 3, 4, 7, 9}) check(rng, ReduceKind::Sum, {2, {rows, columns}, {true, false}});
      check(rng, ReduceKind::Prod, {2, {5, 260 + columns}, {true, false}});
    }
  });
}

// The result does not depend on how many threads there are.
TEST(Reduce, SameWithAnyThreads) {
  Rng rng(5);
  const std::vector<float> src = random_floats(rng, 700000, -1, 1);
  for (const ReduceShape& s : {ReduceShape{1, {700000}, {true}}, ReduceShape{2, {100000, 7}, {true, false}},
                               ReduceShape{2, {7, 100000}, {false, true}}}) {
    float one[7] = {}, three[7] = {};
    reduce_f32(ReduceKind::Sum, s, src.data(), one, 1);
    reduce_f32(ReduceKind::Sum, s, src.data(), three, 3);
    for (int i = 0; i < 7; ++i) EXPECT_EQ(one[i], three[i]);
  }
}

TEST(Reduce, Empty) {
  const ReduceShape s{2, {2, 0}, {false, true}};
  float dst[2];
  reduce_f32(ReduceKind::Sum, s, nullptr, dst, 1);
  EXPECT_EQ(dst[1], 0.0f);
  reduce_f32(ReduceKind::Prod, s, nullptr, dst, 1);
  EXPECT_EQ(dst[1], 1.0f);
  reduce_f32(ReduceKind::Max, s, nullptr, dst, 1);
  EXPECT_EQ(dst[1], -std::numeric_limits<float>::infinity());
  reduce_f32(ReduceKind::Mean, s, nullptr, dst, 1);
  EXPECT_TRUE(std::isnan(dst[1]));
}

TEST(Softmax, EveryLength) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (int64_t cols : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 1000, 1001}) {
      const Rows rows{3, cols, cols + 1, cols + 2};
      const std::vector<float> src = random_floats(rng, size_t(3 * rows.src_stride), -30, 30);
      for (bool log : {false, true}) {
        std::vector<float> dst(size_t(3 * rows.dst_stride), 9.0f);
        log ? log_softmax_f32(rows, src.data(), dst.data(), 2) : softmax_f32(rows, src.data(), dst.data(), 2);
        for (int64_t r = 0; r < 3; ++r) {
          double sum = 0;
          for (int64_t i = 0; i < cols; ++i) sum += std::exp(double(src[size_t(r * rows.src_stride + i)]) - 30.0);
          for (int64_t i = 0; i < cols; ++i) {
            const double l = double(src[size_t(r * rows.src_stride + i)]) - 30.0 - std::log(sum);
            const double e = log ? l : std::exp(l);
            ASSERT_NEAR(dst[size_t(r * rows.dst_stride + i)], e, log ? 6e-6 : 2e-6 * e + 1e-12) << cols << " " << i;
          }
          ASSERT_EQ(dst[size_t(r * rows.dst_stride + cols)], 9.0f);
        }
      }
    }
  });
}

TEST(Softmax, InPlaceWithLargeValues) {
  std::vector<float> x = {1000.0f, 999.0f, -1000.0f};
  softmax_f32({1, 3, 3, 3}, x.data(), x.data(), 1);
  EXPECT_NEAR(x[0], 0.7310586, 1e-6);
  EXPECT_NEAR(x[1], 0.2689414, 1e-6);
  EXPECT_NEAR(x[2], 0.0, 1e-30);
}

TEST(LayerNorm, EveryLength) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (int64_t cols : {1, 2, 5, 8, 13, 16, 17, 96, 768, 1001}) {
      const Rows rows{4, cols, cols, cols + 1};
      // A mean far from 0 is what loses digits.
      const std::vector<float> src = random_floats(rng, size_t(4 * cols), 99, 101);
      const std::vector<float> gamma = random_floats(rng, size_t(cols)), beta = random_floats(rng, size_t(cols));
      for (bool affine : {false, true}) {
        std::vector<float> dst(size_t(4 * rows.dst_stride));
        layer_norm_f32(rows, src.data(), affine ? gamma.data() : nullptr, affine ? beta.data() : nullptr, 1e-3f,
                       dst.data(), 2);
        for (int64_t r = 0; r < 4; ++r) {
          double mean = 0, variance = 0;
          for (int64_t i = 0; i < cols; ++i) mean += double(src[size_t(r * cols + i)]) / double(cols);
          for (int64_t i = 0; i < cols; ++i)
            variance += std::pow(double(src[size_t(r * cols + i)]) - mean, 2) / double(cols);
          for (int64_t i = 0; i < cols; ++i) {
            double e = (double(src[size_t(r * cols + i)]) - mean) / std::sqrt(variance + 1e-3);
            if (affine) e = e * double(gamma[size_t(i)]) + double(beta[size_t(i)]);
            // The float mean of values of size 100 is within 1e-5 of theirs; a row of one value divides that by sqrt(1e-3).
            ASSERT_NEAR(dst[size_t(r * rows.dst_stride + i)], e, cols == 1 ? 1e-3 : 2e-4) << cols << " columns, " << i;
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace tfengine::kernels
