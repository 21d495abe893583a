// SPDX-License-Identifier: Apache-2.0
#include "kernels/lines.h"

#include <algorithm>
#include <limits>

#include "kernels/eltwise_testing.h"

namespace tfengine::kernels {
namespace {

template <class T>
void check_places(Rng& rng, Num type, const LineShape& s, int range) {
  const std::vector<T> src =
      random_ints<T>(rng, size_t(s.outer * s.size * s.inner), std::is_signed_v<T> ? -range : 0, range);
  for (bool largest : {false, true}) {
    std::vector<int32_t> narrow(size_t(s.outer * s.inner), -1);
    std::vector<int64_t> wide(narrow.size(), -1);
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

}  // namespace
}  // namespace tfengine::kernels
