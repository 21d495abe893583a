// SPDX-License-Identifier: Apache-2.0
#include "kernels/sum_rows.h"

#include "kernels/eltwise_testing.h"
#include "kernels/guarded.h"

namespace tfengine::kernels {
namespace {

// Bit for bit the plain sums, whatever the vectors and threads.
TEST(SumRows, EqualsThePlainSums) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  std::normal_distribution<float> normal(0, 2);
  for_each_target([&] {
    for (const int64_t rows : {1, 49, 256, 3136}) {
      std::vector<int64_t> taken;
      for (int64_t row = 0; row < rows; row += 1 + row % 3) taken.push_back(row);
      for (const int64_t columns : {1, 3, 16, 33, 600}) {
        const int64_t stride = columns + 5;
        // The last row ends with its own columns.
        Guarded<float> src(size_t(rows * stride - 5));
        for (size_t i = 0; i < src.size(); ++i) src[i] = normal(rng);
        std::vector<float> expected(size_t(columns), 0.0f);
        for (const int64_t row : taken) {
          for (int64_t c = 0; c < columns; ++c) expected[size_t(c)] += src[size_t(row * stride + c)];
        }
        for (int threads : {1, 2, 3}) {
          Guarded<float> sums(static_cast<size_t>(columns));
          sum_rows(src.data(), stride, taken, columns, sums.data(), threads);
          EXPECT_EQ(sums.values(), expected) << rows << " rows, " << columns << " columns, " << threads << " threads";
        }
      }
    }
  });
}

}  // namespace
}  // namespace tfengine::kernels
