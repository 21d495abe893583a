// SPDX-License-Identifier: Apache-2.0
#include "kernels/outer_products.h"

#include "kernels/eltwise_testing.h"

namespace tfengine::kernels {
namespace {

TEST(OuterProducts, AddUpBelowTheDiagonal) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  std::normal_distribution<float> normal(0, 1);
  for_each_target([&] {
    for (const int64_t count : {1, 7, 64}) {
      for (const int64_t n : {1, 3, 4, 9, 31, 64, 150}) {
        std::vector<float> rows(size_t(count * n));
        for (float& x : rows) x = normal(rng);
        std::vector<float> first;
        for (int threads : {1, 2, 3}) {
          std::vector<float> sums(size_t(n * n), 0.5f);
          add_outer_products(rows.data(), count, n, sums.data(), threads);
          for (int64_t i = 0; i < n; ++i) {
            for (int64_t j = 0; j <= i; ++j) {
              double wanted = 0.5;
              for (int64_t r = 0; r < count; ++r) wanted += double(rows[size_t(r * n + i)]) * rows[size_t(r * n + j)];
              ASSERT_NEAR(sums[size_t(i * n + j)], wanted, 1e-5 * double(count)) << n << ": " << i << ", " << j;
            }
          }
          if (first.empty()) first = sums;
          for (int64_t i = 0; i < n; ++i) {
            for (int64_t j = 0; j <= i; ++j) ASSERT_EQ(sums[size_t(i * n + j)], first[size_t(i * n + j)]);
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace tfengine::kernels
