// SPDX-License-Identifier: Apache-2.0
#include "base/huge_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "tfengine/allocator.h"

namespace tfengine {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

bool aligned(const void* block, size_t alignment) { return reinterpret_cast<uintptr_t>(block) % alignment == 0; }

TEST(HugePages, BlocksAreApartAndAligned) {
  HugePages pages;
  std::vector<std::pair<std::byte*, size_t>> blocks;
  for (const size_t bytes : {size_t{1}, size_t{100}, 3 * kMiB, 3 * kMiB, 3 * kMiB, 5 * kMiB + 1, size_t{64}}) {
    for (const size_t alignment : {size_t{1}, size_t{64}, size_t{4096}}) {
      auto* block = static_cast<std::byte*>(pages.allocate(bytes, alignment));
      ASSERT_NE(block, nullptr);
      EXPECT_TRUE(aligned(block, alignment));
      std::memset(block, static_cast<int>(blocks.size()), bytes);
      blocks.emplace_back(block, bytes);
    }
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(blocks[i].first[0], static_cast<std::byte>(i));
    EXPECT_EQ(blocks[i].first[blocks[i].second - 1], static_cast<std::byte>(i));
  }
  for (const auto& [block, bytes] : blocks) EXPECT_TRUE(pages.deallocate(block, bytes));
  EXPECT_EQ(pages.slabs(), 0u);
}

TEST(HugePages, TheFirstBlockBeginsAHugePageAndTheNextLieBehindIt) {
  HugePages pages;
  auto* first = static_cast<std::byte*>(pages.allocate(5 * kMiB, 64));
  EXPECT_TRUE(aligned(first, 2 * kMiB));
  EXPECT_EQ(pages.allocate(3 * kMiB, 64), first + 5 * kMiB);
  // What a slab has no room for begins another.
  EXPECT_TRUE(aligned(pages.allocate(1000 * kMiB, 64), 2 * kMiB));
  EXPECT_EQ(pages.slabs(), 2u);
}

// Of one mapping, which blocks of a new slab share with nothing else.
size_t resident_pages(const std::byte* begin, size_t bytes) {
  std::vector<unsigned char> pages(bytes / 4096);
  EXPECT_EQ(mincore(const_cast<std::byte*>(begin), bytes, pages.data()), 0);
  return static_cast<size_t>(
      std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; }));
}

TEST(HugePages, MemoryIsHeldForBlocksAlone) {
  HugePages pages;
  constexpr size_t kBlock = 3 * kMiB + 8192;
  auto* first = static_cast<std::byte*>(pages.allocate(kBlock, 4096));
  auto* second = static_cast<std::byte*>(pages.allocate(kBlock, 4096));
  ASSERT_EQ(second, first + kBlock);
  for (std::byte* block : {first, second}) std::memset(block, 1, kBlock);
  pages.trim();
  EXPECT_EQ(resident_pages(first, 16 * kMiB), 2 * kBlock / 4096);
  EXPECT_TRUE(pages.deallocate(first, kBlock));
  EXPECT_EQ(resident_pages(first, 16 * kMiB), kBlock / 4096);
  for (size_t i = 0; i < kBlock; ++i) ASSERT_EQ(second[i], std::byte{1});
  // Its place is taken again.
  EXPECT_EQ(pages.allocate(kMiB, 64), first);
}

TEST(HugePages, ASlabGoesWithItsLastBlockAndTheNextBlockFindsAnother) {
  HugePages pages;
  void* first = pages.allocate(kMiB, 64);
  void* second = pages.allocate(kMiB, 64);
  EXPECT_EQ(pages.slabs(), 1u);
  EXPECT_TRUE(pages.deallocate(first, kMiB));
  EXPECT_EQ(pages.slabs(), 1u);
  EXPECT_TRUE(pages.deallocate(second, kMiB));
  EXPECT_EQ(pages.slabs(), 0u);
  void* third = pages.allocate(kMiB, 64);
  ASSERT_NE(third, nullptr);
  std::memset(third, 1, kMiB);
  EXPECT_EQ(pages.slabs(), 1u);
}

TEST(HugePages, RefusesWhatItCannotGiveAndWhatIsNotItsOwn) {
  HugePages pages;
  EXPECT_EQ(pages.allocate(10, 8192), nullptr);
  EXPECT_EQ(pages.allocate(SIZE_MAX, 64), nullptr);
  EXPECT_EQ(pages.allocate(SIZE_MAX / 4, 64), nullptr);  // the system's answer
  int other = 0;
  EXPECT_FALSE(pages.deallocate(&other, sizeof other));
  void* mine = pages.allocate(10, 64);
  EXPECT_FALSE(pages.deallocate(&other, sizeof other));
  EXPECT_TRUE(pages.deallocate(mine, 10));
}

TEST(SystemAllocator, CountsWeightsOnHugePagesToTheByte) {
  SystemAllocator allocator(64 * kMiB);
  std::vector<std::pair<void*, size_t>> blocks;
  uint64_t sum = 0;
  for (const size_t bytes : {3 * kMiB, 3 * kMiB, kMiB + 5, 9 * kMiB + 3, size_t{7}}) {
    blocks.emplace_back(allocator.allocate(bytes, 64, Purpose::Weights), bytes);
    ASSERT_NE(blocks.back().first, nullptr);
    EXPECT_TRUE(aligned(blocks.back().first, 64));
    std::memset(blocks.back().first, 1, bytes);
    sum += bytes;
    EXPECT_EQ(allocator.stats().in_use_bytes[0], sum);
  }
  EXPECT_EQ(allocator.allocate(64 * kMiB - sum + 1, 64, Purpose::Weights), nullptr);
  EXPECT_EQ(allocator.bytes_in_use(), sum);
  for (const auto& [block, bytes] : blocks) allocator.deallocate(block, bytes, Purpose::Weights);
  EXPECT_EQ(allocator.bytes_in_use(), 0u);
  EXPECT_EQ(allocator.stats().total_peak_bytes, sum);
}

TEST(HugeBlock, OneThatWasFreedComesAgainForItsSize) {
  release_huge_blocks();
  auto block = huge_block(40 * kMiB);
  ASSERT_NE(block, nullptr);
  EXPECT_TRUE(aligned(block.get(), 2 * kMiB));
  void* const first = block.get();
  std::memset(first, 7, 40 * kMiB);
  auto other = huge_block(40 * kMiB);
  EXPECT_NE(other.get(), first) << "in use";
  block.reset();
  EXPECT_NE(huge_block(41 * kMiB).get(), first);
  EXPECT_EQ(huge_block(40 * kMiB).get(), first);
  // Too much to keep is given back, and so is all on demand.
  huge_block(kMostKeptBytes + kMiB).reset();
  release_huge_blocks();
}

}  // namespace
}  // namespace tfengine
