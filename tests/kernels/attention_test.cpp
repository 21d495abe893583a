// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention.h"

#include <cmath>

#include "kernels/eltwise_testing.h"
#include "kernels/guarded.h"

namespace tfengine::kernels {
namespace {

struct Problem {
  AttentionShape shape;
  std::vector<float> q, k, v, mask;

  Problem(AttentionShape s, bool masked, bool per_row, Rng& rng) : shape(s) {
    shape.scale = 0.7f;
    shape.q_stride = s.heads * s.depth + 3;
    shape.k_stride = s.heads * s.depth;
    shape.v_stride = shape.dst_stride = s.heads * s.width + 1;
    q = normals(s.batch * s.rows * shape.q_stride, rng);
    k = normals(s.batch * s.columns * shape.k_stride, rng);
    v = normals(s.batch * s.columns * shape.v_stride, rng);
    if (!masked) return;
    shape.mask_row_stride = per_row ? s.columns : 0;
    shape.mask_head_stride = per_row ? s.rows * s.columns : 0;
    shape.mask_batch_stride = per_row ? s.heads * s.rows * s.columns : s.columns;
    mask.resize(static_cast<size_t>(s.batch * (per_row ? s.heads * s.rows : 1) * s.columns));
    for (float& x : mask) x = rng() % 3 == 0 ? -1e9f : 0.25f;
  }

  double score(int64_t b, int64_t h, int64_t r, int64_t c) const {
    const AttentionShape& s = shape;
    double sum = 0.0;
    for (int64_t d = 0; d < s.depth; ++d) {
      sum += static_cast<double>(q[size_t((b * s.rows + r) * s.q_stride + h * s.depth + d)]) *
             k[size_t((b * s.columns + c) * s.k_stride + h * s.depth + d)];
    }
    sum *= s.scale;
    if (mask.empty()) return sum;
    return sum + mask[size_t(b * s.mask_batch_stride + h * s.mask_head_stride + r * s.mask_row_stride + c)];
  }

  void row(int64_t b, int64_t h, int64_t r, std::vector<float>& dst) const {
    const AttentionShape& s = shape;
    std::vector<double> weights(static_cast<size_t>(s.columns));
    for (int64_t c = 0; c < s.columns; ++c) weights[size_t(c)] = score(b, h, r, c);
    const double most = *std::max_element(weights.begin(), weights.end());
    double total = 0.0;
    for (double& w : weights) total += w = std::exp(w - most);
    for (int64_t i = 0; i < s.width; ++i) {
      double sum = 0.0;
      for (int64_t c = 0; c < s.columns; ++c) {
        sum += weights[size_t(c)] * v[size_t((b * s.columns + c) * s.v_stride + h * s.width + i)];
      }
      dst[size_t((b * s.rows + r) * s.dst_stride + h * s.width + i)] = static_cast<float>(sum / total);
    }
  }

  std::vector<float> expected(float unwritten) const {
    std::vector<float> dst(static_cast<size_t>(shape.batch * shape.rows * shape.dst_stride), unwritten);
    for (int64_t b = 0; b < shape.batch; ++b) {
      for (int64_t h = 0; h < shape.heads; ++h) {
        for (int64_t r = 0; r < shape.rows; ++r) row(b, h, r, dst);
      }
    }
    return dst;
  }

  std::vector<float> computed(float unwritten, int threads) const {
    Guarded<float> dst(std::vector<float>(static_cast<size_t>(shape.batch * shape.rows * shape.dst_stride), unwritten));
    const Guarded<float> queries(q), keys(k), values(v), masks(mask);
    Guarded<std::byte> workspace(attention_workspace_bytes(shape, threads), 64);
    attention_f32(shape, queries.data(), keys.data(), values.data(), mask.empty() ? nullptr : masks.data(), dst.data(),
                  workspace.data(), threads);
    return dst.values();
  }
};

// Scores are sums of `depth` products of about 1, exact to 1e-6 of that, which e^x multiplies the probabilities by.
TEST(Attention, EqualsThePlainSums) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  struct Case {
    int64_t batch, heads, rows, columns, depth, width;
  };
  const Case cases[] = {{1, 1, 1, 1, 1, 1},       {1, 2, 5, 7, 3, 5},     {2, 3, 29, 33, 8, 16},
                        {1, 2, 128, 128, 64, 64}, {2, 1, 57, 40, 20, 36}, {1, 1, 3, 300, 17, 65}};
  for_each_target([&] {
    for (const Case& c : cases) {
      for (const int masks : {0, 1, 2}) {
        AttentionShape shape;
        shape.batch = c.batch, shape.heads = c.heads, shape.rows = c.rows, shape.columns = c.columns;
        shape.depth = c.depth, shape.width = c.width;
        const Problem problem(shape, masks > 0, masks == 2, rng);
        const std::vector<float> expected = problem.expected(-7.0f);
        for (const int threads : {1, 3}) {
          const std::vector<float> dst = problem.computed(-7.0f, threads);
          double worst = 0.0;
          for (size_t i = 0; i < dst.size(); ++i) {
            worst = std::max(worst, static_cast<double>(std::abs(dst[i] - expected[i])));
          }
          EXPECT_LT(worst, 3e-5) << c.rows << " x " << c.columns << ", depth " << c.depth << ", width " << c.width
                                 << ", mask " << masks << ", " << threads << " threads";
        }
      }
    }
  });
}

TEST(Attention, IsTheSameWithAnyNumberOfThreads) {
  Rng rng(5);
  AttentionShape shape;
  shape.batch = 2, shape.heads = 3, shape.rows = 31, shape.columns = 19, shape.depth = 12, shape.width = 10;
  const Problem problem(shape, true, false, rng);
  const std::vector<float> alone = problem.computed(0.0f, 1);
  double worst = 0.0;
  for (const int threads : {2, 3, 5}) {
    const std::vector<float> dst = problem.computed(0.0f, threads);
    for (size_t i = 0; i < dst.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(dst[i]) - alone[i]));
  }
  EXPECT_EQ(worst, 0.0);
}

}  // namespace
}  // namespace tfengine::kernels
