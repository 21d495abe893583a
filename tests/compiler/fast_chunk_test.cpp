// SPDX-License-Identifier: Apache-2.0
#include "compiler/fast_chunk.h"

#include <gtest/gtest.h>

#include <map>

namespace tfengine::detail {
namespace {

// Times of runs by their samples; a size that is not in it must not be asked for.
FastChunk choose(const std::vector<int64_t>& sizes, const std::map<int64_t, double>& times) {
  return fastest_chunk(16, sizes, [&](int64_t samples) { return times.at(samples); });
}

TEST(FastChunk, TheFastestOfTheBatch) {
  const FastChunk chunk = choose({0, 8, 4, 2, 1}, {{16, 1600}, {8, 640}, {4, 280}, {2, 120}, {1, 70}});
  EXPECT_EQ(chunk.samples, 2);
  EXPECT_DOUBLE_EQ(chunk.whole_us, 1600);
  EXPECT_DOUBLE_EQ(chunk.chunks_us, 960);
}

TEST(FastChunk, SmallerOnesAreNotMeasuredOnceTheyLose) {
  EXPECT_EQ(choose({0, 8, 4, 2, 1}, {{16, 1600}, {8, 640}, {4, 330}}).samples, 8);
  EXPECT_EQ(choose({0, 8, 4, 2, 1}, {{16, 1600}, {8, 810}}).samples, 0);
}

TEST(FastChunk, AGainWithinTheNoiseIsNone) {
  const FastChunk chunk = choose({0, 8, 4}, {{16, 1600}, {8, 790}, {4, 385}});
  EXPECT_EQ(chunk.samples, 0);
  EXPECT_DOUBLE_EQ(chunk.chunks_us, 1600);
  // Small gains that add up to one count.
  EXPECT_EQ(choose({0, 8, 4}, {{16, 1600}, {8, 790}, {4, 370}}).samples, 4);
}

TEST(FastChunk, ABatchThatIsNotSplitIsNotMeasured) { EXPECT_EQ(choose({0}, {}).samples, 0); }

}  // namespace
}  // namespace tfengine::detail
