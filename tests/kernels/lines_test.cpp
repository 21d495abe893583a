// SPDX-License-Identifier: Apache-2.0
#include "kernels/lines.h"

#include <algorithm>
#include <limits>

#include "kernels/eltwise_testing.h"
#include "kernels/guarded.h"

namespace tfengine::kernels {
namespace {

template <class T>
void check_places(Rng& rng, Num type, const LineShape& s, int range) {
  const Guarded<T> src(
      random_ints<T>(rng, size_t(s.outer * s.size * s.inner), std::is_signed_v<T> ? -range : 0, range));
  for (bool largest : {false, true}) {
    Guarded<int32_t> narrow(size_t(s.outer * s.inner));
    Guarded<int64_t> wide(narrow.size());
    extreme_place(largest, type, s, src.data(), false, narrow.data(), 2);
    extreme_place(largest, type, s, src.data(), true, wide.data(), 2);
    for (int64_t o = 0; o < s.outer; ++o) {
      for (int64_t i = 0; i < s.inner; ++i) {
        int64_t best = 0;
        const auto at = [&](int64_t k) { return src[size_t((o * s.size + k) * s.inner + i)]; };
        for (int64_t k = 1; k < s.size; ++k) {
          if (largest ? at(k) > at(best) : at(k) < at(best)) best = k;
        }
        ASSERT_EQ(wide[size_t(o * s.inner + i)], best) << "type " << int(type) << " size " << s.size;
        ASSERT_EQ(narrow[size_t(o * s.inner + i)], best);
      }
    }
  }
}

// Few values: the first of many equal ones is the one.
TEST(Lines, PlacesOfExtremes) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (int64_t size : {1, 2, 15, 16, 63, 64, 65, 127, 255, 256, 300, 1000, 4099}) {
      for (int range : {2, 100}) {
        for (const LineShape& s : {LineShape{3, size, 1}, LineShape{2, size, 5}}) {
          check_places<float>(rng, Num::F32, s, range);
          check_places<double>(rng, Num::F64, s, range);
          check_places<int8_t>(rng, Num::S8, s, range);
          check_places<uint8_t>(rng, Num::U8, s, range);
          check_places<int16_t>(rng, Num::S16, s, range);
          check_places<int32_t>(rng, Num::S32, s, range);
          check_places<int64_t>(rng, Num::S64, s, range);
          if (HasFatalFailure()) return;
        }
      }
    }
  });
}

TEST(Lines, PlacesBesideWhatIsNoNumber) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for_each_target([&] {
    std::vector<float> line(300, nan);
    int64_t place = -1;
    extreme_place(true, Num::F32, {1, 300, 1}, line.data(), true, &place, 1);
    EXPECT_EQ(place, 0);
    line[0] = 1.0f, line[170] = 3.0f, line[171] = -infinity, line[299] = 2.0f;
    extreme_place(true, Num::F32, {1, 300, 1}, line.data(), true, &place, 1);
    EXPECT_EQ(place, 170);
    extreme_place(false, Num::F32, {1, 300, 1}, line.data(), true, &place, 1);
    EXPECT_EQ(place, 171);
  });
}

// Folds and running totals of random lines, beside each other and alone.
TEST(Lines, FoldsAndTotals) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (int round = 0; round < 60; ++round) {
      const LineShape s{1 + int64_t(rng() % 4), 1 + int64_t(rng() % 40), rng() % 2 == 0 ? 1 : 1 + int64_t(rng() % 600)};
      const Guarded<int32_t> src(random_ints<int32_t>(rng, size_t(s.outer * s.size * s.inner), -3, 3));
      Guarded<int32_t> sums(size_t(s.outer * s.inner)), most(sums.size()), totals(src.size());
      fold_lines(Fold::Sum, Num::S32, s, src.data(), sums.data(), 2);
      fold_lines(Fold::Max, Num::S32, s, src.data(), most.data(), 2);
      const bool exclusive = rng() % 2, reverse = rng() % 2;
      running_total(Running::Sum, Num::S32, s, exclusive, reverse, src.data(), totals.data(), 2);
      for (int64_t o = 0; o < s.outer; ++o) {
        for (int64_t i = 0; i < s.inner; ++i) {
          int32_t sum = 0, largest = -3;
          for (int64_t k = 0; k < s.size; ++k) {
            const auto at = size_t((o * s.size + (reverse ? s.size - 1 - k : k)) * s.inner + i);
            const int32_t before = sum;
            sum += src[at];
            largest = std::max(largest, src[at]);
            ASSERT_EQ(totals[at], exclusive ? before : sum);
          }
          ASSERT_EQ(sums[size_t(o * s.inner + i)], sum);
          ASSERT_EQ(most[size_t(o * s.inner + i)], largest);
        }
      }
    }
  });
}

TEST(Lines, LargestOfRows) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for (int round = 0; round < 100; ++round) {
    const int64_t rows = 1 + int64_t(rng() % 5), size = 1 + int64_t(rng() % 300), k = int64_t(rng() % size_t(size + 1));
    const Guarded<float> src(random_ints<float>(rng, size_t(rows * size), -20, 20));
    Guarded<float> values(size_t(rows * k));
    Guarded<int32_t> places(values.size());
    largest_of_rows(Num::F32, rows, size, k, src.data(), values.data(), places.data(), 2);
    for (int64_t r = 0; r < rows; ++r) {
      const float* row = src.data() + r * size;
      std::vector<int32_t> order(static_cast<size_t>(size));
      for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
      std::stable_sort(order.begin(), order.end(), [row](int32_t a, int32_t b) { return row[a] > row[b]; });
      for (int64_t i = 0; i < k; ++i) {
        ASSERT_EQ(places[size_t(r * k + i)], order[size_t(i)]) << i << " of " << k << " of " << size;
        ASSERT_EQ(values[size_t(r * k + i)], row[order[size_t(i)]]);
      }
    }
  }
}

}  // namespace
}  // namespace tfengine::kernels
