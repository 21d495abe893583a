// SPDX-License-Identifier: Apache-2.0
#include "plan/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace tfengine::plan {
namespace {

// No two tensors that live at the same time may share a byte, and none may reach beyond the arena; seen step by step.
void expect_valid(const std::vector<Lifetime>& lifetimes, const ArenaLayout& layout) {
  ASSERT_EQ(layout.offsets.size(), lifetimes.size());
  for (size_t i = 0; i < lifetimes.size(); ++i) {
    const auto begin = static_cast<uint64_t>(layout.offsets[i]);
    EXPECT_EQ(begin % 64, 0u);
    EXPECT_LE(begin + lifetimes[i].bytes, layout.bytes);
    for (size_t j = 0; j < i; ++j) {
      const auto other = static_cast<uint64_t>(layout.offsets[j]);
      const int first = std::max(lifetimes[i].first_step, lifetimes[j].first_step);
      const int last = std::min(lifetimes[i].last_step, lifetimes[j].last_step);
      for (int step = first; step <= last; ++step) {
        const uint64_t bytes = lifetimes[i].bytes_at(step), other_bytes = lifetimes[j].bytes_at(step);
        const bool apart = begin + bytes <= other || other + other_bytes <= begin;
        EXPECT_TRUE(apart || bytes == 0 || other_bytes == 0) << i << " and " << j << " in step " << step;
      }
    }
  }
}

TEST(Arena, EmptyHasNoBytes) {
  const ArenaLayout layout = pack_arena({});
  EXPECT_EQ(layout.bytes, 0u);
  EXPECT_EQ(layout.lower_bound_bytes, 0u);
}

TEST(Arena, ChainNeedsTwoNeighbours) {
  const std::vector<Lifetime> chain = {{640, 0, 1}, {128, 1, 2}, {640, 2, 3}, {64, 3, 4}};
  const ArenaLayout layout = pack_arena(chain);
  expect_valid(chain, layout);
  EXPECT_EQ(layout.bytes, 768u);
  EXPECT_EQ(layout.lower_bound_bytes, 768u);
  EXPECT_EQ(layout.peak_step, 1);
}

TEST(Arena, SizesAreRoundedToCacheLines) {
  const ArenaLayout layout = pack_arena({{1, 0, 0}, {65, 0, 0}});
  EXPECT_EQ(layout.bytes, 192u);
}

TEST(Arena, RandomLifetimesNeverOverlap) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::vector<Lifetime> lifetimes(random() % 40 + 1);
    for (Lifetime& item : lifetimes) {
      const int first = static_cast<int>(random() % 30);
      item = {random() % 5000, first, first + static_cast<int>(random() % 8)};
    }
    const ArenaLayout layout = pack_arena(lifetimes);
    expect_valid(lifetimes, layout);
    EXPECT_GE(layout.bytes, layout.lower_bound_bytes);
  }
}

// The best that placing one after another can do: all orders are tried.
uint64_t least_bytes(const std::vector<Lifetime>& lifetimes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  uint64_t least = UINT64_MAX;
  do {
    std::vector<uint64_t> offsets(lifetimes.size(), 0);
    std::vector<bool> placed(lifetimes.size(), false);
    uint64_t bytes = 0;
    for (const size_t index : order) {
      uint64_t at = 0;
      for (bool moved = true; moved;) {
        moved = false;
        for (size_t other = 0; other < lifetimes.size(); ++other) {
          const Lifetime &a = lifetimes[index], &b = lifetimes[other];
          const bool together = a.first_step <= b.last_step && b.first_step <= a.last_step;
          if (!placed[other] || !together || at + a.bytes <= offsets[other] || offsets[other] + b.bytes <= at) continue;
          at = offsets[other] + b.bytes;
          moved = true;
        }
      }
      offsets[index] = at;
      placed[index] = true;
      bytes = std::max(bytes, at + lifetimes[index].bytes);
    }
    least = std::min(least, bytes);
  } while (std::next_permutation(order.begin(), order.end()));
  return least;
}

TEST(Arena, SmallOnesAreAsSmallAsCanBe) {
  std::mt19937 random(1);
  int above_bound = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<Lifetime> lifetimes(6);
    for (Lifetime& item : lifetimes) {
      const int first = static_cast<int>(random() % 6);
      item = {(random() % 9 + 1) * 64, first, first + static_cast<int>(random() % 4)};
    }
    const ArenaLayout layout = pack_arena(lifetimes);
    EXPECT_EQ(layout.bytes, least_bytes(lifetimes)) << "round " << round;
    above_bound += layout.bytes > layout.lower_bound_bytes ? 1 : 0;
  }
  EXPECT_LT(above_bound, 10);
}

TEST(Arena, WhatShrinksLeavesRoom) {
  // 640 bytes until step 1, and then the first 128 of them; what begins behind takes the rest.
  const std::vector<Lifetime> lifetimes = {{640, 0, 4, 1, 128}, {512, 2, 3}, {64, 1, 2}};
  const ArenaLayout layout = pack_arena(lifetimes);
  expect_valid(lifetimes, layout);
  EXPECT_EQ(layout.lower_bound_bytes, 704u);
  EXPECT_EQ(layout.peak_step, 1);
  EXPECT_EQ(layout.bytes, 704u);
}

TEST(Arena, RandomOnesThatShrinkNeverOverlap) {
  std::mt19937 random(4);
  uint64_t bytes = 0, bound = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<Lifetime> lifetimes(random() % 30 + 1);
    for (Lifetime& item : lifetimes) {
      const int first = static_cast<int>(random() % 20), length = static_cast<int>(random() % 8);
      item = {random() % 5000 + 1, first, first + length};
      if (random() % 2 == 0) continue;
      item.shrink_step = first + static_cast<int>(random() % static_cast<unsigned>(length + 1));
      item.rest_bytes = random() % item.bytes;
    }
    const ArenaLayout layout = pack_arena(lifetimes);
    expect_valid(lifetimes, layout);
    EXPECT_GE(layout.bytes, layout.lower_bound_bytes);
    bytes += layout.bytes;
    bound += layout.lower_bound_bytes;
  }
  EXPECT_LT(static_cast<double>(bytes), 1.05 * static_cast<double>(bound));
}

TEST(Arena, IsTheSameEveryTime) {
  std::mt19937 random(2);
  std::vector<Lifetime> lifetimes(80);
  for (Lifetime& item : lifetimes) {
    const int first = static_cast<int>(random() % 60);
    item = {random() % 5000 + 1, first, first + static_cast<int>(random() % 20)};
  }
  EXPECT_EQ(pack_arena(lifetimes).offsets, pack_arena(lifetimes).offsets);
}

}  // namespace
}  // namespace tfengine::plan
