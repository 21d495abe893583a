// SPDX-License-Identifier: Apache-2.0
// The contract of Allocator, held by every implementation, and what each adds to it.
#include "tfengine/allocator.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "base/process_memory.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kLimit = 8 * kMiB;

bool aligned(const void* pointer, size_t alignment) { return reinterpret_cast<uintptr_t>(pointer) % alignment == 0; }

// Allocators of kLimit bytes, with their books.
struct Candidate {
  std::string name;
  std::function<std::shared_ptr<Allocator>()> make;
  std::function<AllocatorStats(const Allocator&)> stats;
};

void PrintTo(const Candidate& candidate, std::ostream* out) { *out << candidate.name; }

template <typename T>
AllocatorStats stats_of(const Allocator& allocator) {
  return static_cast<const T&>(allocator).stats();
}

// The arena's block begins at an odd address.
struct OddArena {
  std::vector<std::byte> block = std::vector<std::byte>(kLimit + 1);
  ArenaAllocator arena{block.data() + 1, kLimit};
};

const std::vector<Candidate>& candidates() {
  static const std::vector<Candidate> all = {
      {"System", [] { return std::make_shared<SystemAllocator>(kLimit); }, stats_of<SystemAllocator>},
      {"Limited",
       [] {
         static SystemAllocator upstream;
         return std::make_shared<LimitedAllocator>(upstream, kLimit);
       },
       stats_of<LimitedAllocator>},
      {"Arena", [] { return std::make_shared<ArenaAllocator>(kLimit); }, stats_of<ArenaAllocator>},
      {"ArenaInABlock",
       [] {
         auto held = std::make_shared<OddArena>();
         return std::shared_ptr<Allocator>(held, &held->arena);
       },
       stats_of<ArenaAllocator>},
      {"Process",
       [] {
         MemoryLimits limits;
         limits.memory_limit_bytes = kLimit;
         return std::make_shared<ProcessAllocator>(limits);
       },
       [](const Allocator& allocator) { return static_cast<const ProcessAllocator&>(allocator).state().stats; }},
      {"ProcessAtOnce",
       [] {
         MemoryLimits limits;
         limits.memory_limit_bytes = kLimit;
         limits.allow_growth = false;
         return std::make_shared<ProcessAllocator>(limits);
       },
       [](const Allocator& allocator) { return static_cast<const ProcessAllocator&>(allocator).state().stats; }},
  };
  return all;
}

class AllocatorContract : public testing::TestWithParam<Candidate> {
 protected:
  AllocatorStats stats() const { return GetParam().stats(*allocator_); }
  void expect_nothing_in_use() const {
    EXPECT_EQ(allocator_->bytes_in_use(), 0u);
    EXPECT_EQ(stats().in_use_bytes, (std::array<uint64_t, kPurposes>{}));
  }
  std::shared_ptr<Allocator> allocator_ = GetParam().make();
};

TEST_P(AllocatorContract, SizesAndAlignments) {
  for (const size_t bytes : {size_t{1}, size_t{7}, size_t{64}, size_t{65}, size_t{4096}, kMiB + 3}) {
    for (size_t alignment = 1; alignment <= 2 * kMiB; alignment *= 2) {
      void* block = allocator_->allocate(bytes, alignment, Purpose::Activations);
      ASSERT_NE(block, nullptr) << bytes << " at " << alignment;
      EXPECT_TRUE(aligned(block, alignment)) << bytes << " at " << alignment;
      std::memset(block, 0x5a, bytes);
      EXPECT_EQ(allocator_->bytes_in_use(), bytes);
      allocator_->deallocate(block, bytes, Purpose::Activations);
    }
  }
  expect_nothing_in_use();
}

TEST_P(AllocatorContract, NothingIsNothing) {
  void* block = allocator_->allocate(0, 64, Purpose::Weights);
  allocator_->deallocate(block, 0, Purpose::Weights);
  allocator_->deallocate(nullptr, 100, Purpose::Weights);
  expect_nothing_in_use();
}

TEST_P(AllocatorContract, AlignmentsThatAreNoneAndSizesThatNoMemoryHasAreRefused) {
  for (const size_t alignment : {size_t{0}, size_t{3}, size_t{48}, SIZE_MAX}) {
    EXPECT_EQ(allocator_->allocate(64, alignment, Purpose::Workspace), nullptr) << alignment;
  }
  EXPECT_EQ(allocator_->allocate(64, (SIZE_MAX >> 1) + 1, Purpose::Workspace), nullptr);
  for (const size_t bytes : {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX / 4}) {
    EXPECT_EQ(allocator_->allocate(bytes, 64, Purpose::Workspace), nullptr) << bytes;
  }
  expect_nothing_in_use();
  void* block = allocator_->allocate(64, 64, Purpose::Workspace);
  EXPECT_NE(block, nullptr);
  allocator_->deallocate(block, 64, Purpose::Workspace);
}

TEST_P(AllocatorContract, TheLimitHoldsToTheByte) {
  void* most = allocator_->allocate(kLimit, 1, Purpose::Weights);
  ASSERT_NE(most, nullptr);
  EXPECT_EQ(allocator_->allocate(1, 1, Purpose::Temporary), nullptr);
  const MemoryShortage shortage = allocator_->shortage(1);
  EXPECT_EQ(shortage.in_use_bytes, kLimit);
  EXPECT_EQ(shortage.limit_bytes, kLimit);
  EXPECT_EQ(shortage.largest_free_bytes, 0u);
  allocator_->deallocate(most, kLimit, Purpose::Weights);
  EXPECT_EQ(allocator_->allocate(kLimit + 1, 1, Purpose::Weights), nullptr);
  expect_nothing_in_use();
  EXPECT_EQ(stats().total_peak_bytes, kLimit);
  EXPECT_EQ(stats().refusals, 2u);
}

TEST_P(AllocatorContract, BooksByPurpose) {
  const std::array<size_t, kPurposes> sizes = {1000, 200, 30, 4};
  std::array<void*, kPurposes> blocks{};
  for (size_t i = 0; i < kPurposes; ++i) {
    blocks[i] = allocator_->allocate(sizes[i], 64, static_cast<Purpose>(i));
    EXPECT_EQ(stats().in_use_bytes[i], sizes[i]);
  }
  EXPECT_EQ(stats().total_in_use_bytes, 1234u);
  for (size_t i = 0; i < kPurposes; ++i) allocator_->deallocate(blocks[i], sizes[i], static_cast<Purpose>(i));
  void* small = allocator_->allocate(5, 64, Purpose::Workspace);
  EXPECT_EQ(stats().in_use_bytes, (std::array<uint64_t, kPurposes>{0, 0, 5, 0}));
  EXPECT_EQ(stats().peak_bytes, (std::array<uint64_t, kPurposes>{1000, 200, 30, 4}));
  EXPECT_EQ(stats().total_peak_bytes, 1234u);
  EXPECT_EQ(stats().allocations, 5u);
  allocator_->deallocate(small, 5, Purpose::Workspace);
}

TEST_P(AllocatorContract, ThreadsTogetherStayBelowTheLimit) {
  std::atomic<bool> above{false};
  const auto work = [&](uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<std::pair<void*, size_t>> mine;
    for (int i = 0; i < 400; ++i) {
      const size_t bytes = 1 + random() % (2 * kMiB);
      if (void* block = allocator_->allocate(bytes, 64, Purpose::Activations)) {
        std::memset(block, static_cast<int>(seed), std::min<size_t>(bytes, 64));
        mine.emplace_back(block, bytes);
      }
      if (allocator_->bytes_in_use() > kLimit) above = true;
      if (mine.size() > 4 || (!mine.empty() && random() % 2 == 0)) {
        const size_t at = random() % mine.size();
        EXPECT_EQ(static_cast<uint8_t*>(mine[at].first)[0], seed);
        allocator_->deallocate(mine[at].first, mine[at].second, Purpose::Activations);
        mine.erase(mine.begin() + static_cast<std::ptrdiff_t>(at));
      }
    }
    for (const auto& [block, bytes] : mine) allocator_->deallocate(block, bytes, Purpose::Activations);
  };
  std::vector<std::thread> threads;
  for (uint32_t seed = 1; seed <= 4; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(above);
  EXPECT_LE(stats().total_peak_bytes, kLimit);
  EXPECT_GT(stats().refusals, 0u);
  expect_nothing_in_use();
}

TEST_P(AllocatorContract, OfTheHostWithoutStreams) {
  EXPECT_EQ(allocator_->device(), Device{});
  void* block = allocator_->allocate_on(nullptr, 100, 64, Purpose::Workspace);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(allocator_->bytes_in_use(), 100u);
  allocator_->deallocate_on(nullptr, block, 100, Purpose::Workspace);
  expect_nothing_in_use();
}

INSTANTIATE_TEST_SUITE_P(All, AllocatorContract, testing::ValuesIn(candidates()),
                         [](const auto& info) { return info.param.name; });

TEST(LimitedAllocator, SaysWhichLimitRefuses) {
  SystemAllocator process(1000, "memory_limit_bytes");
  LimitedAllocator engine(process, 600, "the engine's memory_limit_bytes");
  void* other = process.allocate(500, 64, Purpose::Weights);
  void* own = engine.allocate(100, 64, Purpose::Weights);
  EXPECT_EQ(engine.allocate(501, 64, Purpose::Weights), nullptr);
  MemoryShortage shortage = engine.shortage(501);
  EXPECT_EQ(shortage.setting, "the engine's memory_limit_bytes");
  EXPECT_EQ(shortage.in_use_bytes, 100u);
  EXPECT_EQ(shortage.largest_free_bytes, 500u);
  EXPECT_EQ(engine.allocate(450, 64, Purpose::Weights), nullptr);
  shortage = engine.shortage(450);
  EXPECT_EQ(shortage.setting, "memory_limit_bytes");
  EXPECT_EQ(shortage.in_use_bytes, 600u);
  EXPECT_EQ(shortage.limit_bytes, 1000u);
  EXPECT_EQ(shortage.largest_free_bytes, 400u);
  EXPECT_EQ(engine.bytes_in_use(), 100u);
  engine.deallocate(own, 100, Purpose::Weights);
  process.deallocate(other, 500, Purpose::Weights);
  EXPECT_EQ(process.bytes_in_use(), 0u);
}

TEST(ArenaAllocator, TakesTheSmallestGapAndMergesThem) {
  ArenaAllocator arena(4096);
  void* a = arena.allocate(1024, 64, Purpose::Weights);
  void* b = arena.allocate(512, 64, Purpose::Weights);
  void* c = arena.allocate(256, 64, Purpose::Weights);
  void* d = arena.allocate(512, 64, Purpose::Weights);
  arena.deallocate(a, 1024, Purpose::Weights);
  arena.deallocate(c, 256, Purpose::Weights);
  EXPECT_EQ(arena.largest_free_bytes(), 4096u - 2304u);
  EXPECT_EQ(arena.allocate(200, 64, Purpose::Weights), c);  // and not the first gap, or the largest
  arena.deallocate(b, 512, Purpose::Weights);
  EXPECT_EQ(arena.allocate(1536, 64, Purpose::Weights), a);  // a's and b's together
  EXPECT_EQ(arena.allocate(2000, 64, Purpose::Weights), nullptr);
  EXPECT_EQ(arena.shortage(2000).largest_free_bytes, 4096u - 2304u);
  arena.deallocate(a, 1536, Purpose::Weights);
  arena.deallocate(c, 200, Purpose::Weights);
  arena.deallocate(d, 512, Purpose::Weights);
  EXPECT_EQ(arena.largest_free_bytes(), 4096u);
}

TEST(ArenaAllocator, PiecesNeverOverlap) {
  ArenaAllocator arena(kMiB);
  std::mt19937 random(1);
  std::map<std::byte*, size_t> pieces;
  for (int i = 0; i < 4000; ++i) {
    const size_t bytes = 1 + random() % 40000;
    auto* piece = static_cast<std::byte*>(arena.allocate(bytes, size_t{1} << random() % 13, Purpose::Temporary));
    if (piece != nullptr) {
      const auto next = pieces.lower_bound(piece);
      ASSERT_TRUE(next == pieces.end() || piece + bytes <= next->first);
      ASSERT_TRUE(next == pieces.begin() || std::prev(next)->first + std::prev(next)->second <= piece);
      pieces[piece] = bytes;
    }
    if (piece == nullptr || random() % 3 == 0) {
      const auto gone = std::next(pieces.begin(), static_cast<std::ptrdiff_t>(random() % pieces.size()));
      arena.deallocate(gone->first, gone->second, Purpose::Temporary);
      pieces.erase(gone);
    }
  }
  for (const auto& [piece, bytes] : pieces) arena.deallocate(piece, bytes, Purpose::Temporary);
  EXPECT_EQ(arena.largest_free_bytes(), kMiB);
  EXPECT_EQ(arena.bytes_in_use(), 0u);
}

TEST(ArenaAllocator, NeverTouchesADevicesMemory) {
  void* memory = mmap(nullptr, kMiB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  {
    ArenaAllocator arena(memory, kMiB, {DeviceKind::Cuda, 1});
    LimitedAllocator engine(arena, kMiB / 2);
    EXPECT_EQ(engine.device(), (Device{DeviceKind::Cuda, 1}));
    void* a = engine.allocate(1000, 256, Purpose::Weights);
    void* b = engine.allocate(1000, 256, Purpose::Weights);
    engine.deallocate(a, 1000, Purpose::Weights);
    engine.deallocate(b, 1000, Purpose::Weights);
    EXPECT_EQ(arena.largest_free_bytes(), kMiB);
  }
  munmap(memory, kMiB);
}

TEST(ArenaAllocator, TheSystemMayRefuseTheBlock) {
  EXPECT_THROW(ArenaAllocator arena(SIZE_MAX / 2), OutOfMemory);
  ArenaAllocator none(0);
  EXPECT_EQ(none.allocate(1, 1, Purpose::Weights), nullptr);
}

// A device with streams: what a stream's work still uses is given out again on that stream only.
TEST(Allocator, StreamsOrderWhatADeviceGivesOut) {
  class Ordered : public Allocator {
   public:
    void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override {
      return allocate_on(nullptr, bytes, alignment, purpose);
    }
    void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override {
      deallocate_on(nullptr, pointer, bytes, purpose);
    }
    void* allocate_on(Stream stream, size_t bytes, size_t alignment, Purpose purpose) noexcept override {
      for (auto at = given_back_.begin(); at != given_back_.end(); ++at) {
        if (at->stream != stream || at->bytes != bytes) continue;
        void* block = at->block;
        given_back_.erase(at);
        return block;
      }
      return system_.allocate(bytes, alignment, purpose);
    }
    void deallocate_on(Stream stream, void* pointer, size_t bytes, Purpose) noexcept override {
      given_back_.push_back({stream, pointer, bytes});
    }
    Device device() const noexcept override { return {DeviceKind::Cuda, 0}; }
    uint64_t bytes_in_use() const noexcept override { return system_.bytes_in_use(); }
    uint64_t limit_bytes() const noexcept override { return UINT64_MAX; }
    ~Ordered() override {
      for (const Block& block : given_back_) system_.deallocate(block.block, block.bytes, Purpose::Workspace);
    }

   private:
    struct Block {
      Stream stream;
      void* block;
      size_t bytes;
    };
    SystemAllocator system_;
    std::vector<Block> given_back_;
  } device;
  LimitedAllocator engine(device, 300);
  int first = 0, second = 0;  // stand for streams
  void* a = engine.allocate_on(&first, 100, 64, Purpose::Workspace);
  engine.deallocate_on(&first, a, 100, Purpose::Workspace);
  void* b = engine.allocate_on(&second, 100, 64, Purpose::Workspace);
  EXPECT_NE(a, b);
  EXPECT_EQ(engine.allocate_on(&first, 100, 64, Purpose::Workspace), a);
  EXPECT_EQ(engine.bytes_in_use(), 200u);
  EXPECT_EQ(engine.allocate_on(&first, 101, 64, Purpose::Workspace), nullptr);
  engine.deallocate_on(&second, b, 100, Purpose::Workspace);
  engine.deallocate_on(&first, a, 100, Purpose::Workspace);
  EXPECT_EQ(engine.bytes_in_use(), 0u);
}

}  // namespace
}  // namespace tfengine
