// SPDX-License-Identifier: Apache-2.0
#include "kernels/band.h"

#include <limits>

#include "kernels/eltwise_testing.h"
#include "kernels/guarded.h"

namespace tfengine::kernels {
namespace {

template <class T>
void check(const BandShape& s, int64_t lower, int64_t upper) {
  const auto count = static_cast<size_t>(s.matrices * s.rows * s.columns);
  Guarded<T> src(count), dst(count);
  std::vector<T> expected(count);
  for (size_t i = 0; i < count; ++i) src[i] = static_cast<T>(i % 113 + 1);
  for (int64_t m = 0; m < s.matrices; ++m) {
    for (int64_t r = 0; r < s.rows; ++r) {
      for (int64_t c = 0; c < s.columns; ++c) {
        const auto at = static_cast<size_t>((m * s.rows + r) * s.columns + c);
        const bool kept = (lower < 0 || r - c <= lower) && (upper < 0 || c - r <= upper);
        expected[at] = kept ? src[at] : T(0);
      }
    }
  }
  for (const int threads : {1, 3}) {
    keep_band(sizeof(T), s, lower, upper, src.data(), dst.data(), threads);
    ASSERT_EQ(dst.values(), expected) << s.matrices << " of " << s.rows << " x " << s.columns << ", band " << lower
                                      << ", " << upper;
  }
  keep_band(sizeof(T), s, lower, upper, src.data(), src.data(), 1);
  ASSERT_EQ(src.values(), expected) << "in place";
}

TEST(Band, KeepsWhatIsNearTheDiagonal) {
  constexpr int64_t kFar = std::numeric_limits<int64_t>::max();
  for (const BandShape& s : {BandShape{1, 1, 1}, BandShape{3, 5, 9}, BandShape{2, 9, 5}, BandShape{2, 70, 70},
                             BandShape{0, 3, 4}, BandShape{2, 0, 4}, BandShape{2, 4, 0}, BandShape{1, 400, 300}}) {
    for (const int64_t lower : {int64_t{-1}, int64_t{0}, int64_t{2}, int64_t{500}, kFar, -kFar}) {
      for (const int64_t upper : {int64_t{-1}, int64_t{0}, int64_t{3}, int64_t{500}, kFar, -kFar}) {
        check<float>(s, lower, upper);
        check<uint8_t>(s, lower, upper);
        check<double>(s, lower, upper);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace tfengine::kernels
