// SPDX-License-Identifier: Apache-2.0
#include "kernels/lrn.h"

#include <algorithm>
#include <cmath>

#include "kernels/eltwise_testing.h"
#include "kernels/guarded.h"

namespace tfengine::kernels {
namespace {

double expected(const LrnShape& s, const float* pixel, int64_t c) {
  double sum = 0.0;
  for (int64_t k = std::max<int64_t>(c - s.radius, 0); k <= std::min(c + s.radius, s.channels - 1); ++k)
    sum += static_cast<double>(pixel[k]) * pixel[k];
  return pixel[c] / std::pow(s.bias + s.alpha * sum, static_cast<double>(s.beta));
}

// Narrow windows and wide ones, wider than all channels, pixels that are summed together and pixels longer than a block.
TEST(Lrn, EqualsTheFormula) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (const int64_t channels : {1, 2, 7, 16, 96, 255, 257, 1000, 2040, 2100}) {
      for (const int64_t radius : {0, 1, 2, 5, 8, 9, 40, 3000}) {
        for (const float beta : {0.5f, 0.75f, 1.0f, 0.3f}) {
          const LrnShape s{
              1 + static_cast<int64_t>(rng() % 1000) % (channels > 300 ? 3 : 40), channels, radius, 1.5f, 0.3f, beta};
          const Guarded<float> src(random_floats(rng, static_cast<size_t>(s.pixels * channels), -2.0f, 2.0f));
          Guarded<float> dst(src.size());
          for (const int threads : {1, 2}) {
            lrn_f32(s, src.data(), dst.data(), threads);
            for (size_t i = 0; i < dst.size(); ++i) {
              const auto c = static_cast<int64_t>(i) % channels;
              const double exact = expected(s, src.data() + static_cast<int64_t>(i) - c, c);
              ASSERT_NEAR(dst[i], exact, 3e-6 * std::abs(exact) + 1e-9)
                  << channels << " channels, radius " << radius << ", beta " << beta << ", at " << i;
            }
          }
        }
      }
    }
  });
}

TEST(Lrn, SumOfSquares) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (const int64_t count : {0, 1, 15, 16, 17, 8191, 8192, 8193, 100001}) {
      const Guarded<float> src(random_floats(rng, static_cast<size_t>(count), -2.0f, 2.0f));
      double exact = 0.0;
      for (size_t i = 0; i < src.size(); ++i) exact += static_cast<double>(src[i]) * src[i];
      double first = 0.0;
      for (const int threads : {1, 2, 5}) {
        Guarded<double> partials(static_cast<size_t>(square_sum_partials(count)));
        const double sum = square_sum(count, src.data(), partials.data(), threads);
        ASSERT_NEAR(sum, exact, 1e-12 * exact) << count;
        if (threads == 1) first = sum;
        ASSERT_EQ(sum, first) << count << ", " << threads << " threads";
      }
    }
  });
}

}  // namespace
}  // namespace tfengine::kernels
