// SPDX-License-Identifier: Apache-2.0
// The plans that an engine keeps: at most so many, for at most so many bytes, the least recently used go first, and all of
// them share the weights.
#include <gtest/gtest.h>

#include <thread>

#include "support/digits.h"
#include "support/memory_testing.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

using testing::digits_scores;
using testing::digits_shape;
using testing::EngineBytes;
using testing::TrappingAllocator;

const EngineBytes& engine_bytes() {
  static const EngineBytes& bytes = *new EngineBytes(convert(testing::digits_model(), testing::digits_options()));
  return bytes;
}

Engine loaded(Allocator& memory, int maximum_engines, uint64_t maximum_bytes = UINT64_MAX) {
  EngineOptions options = testing::digits_options().engine;
  options.allocator = &memory;
  options.maximum_cached_engines = maximum_engines;
  options.maximum_cached_bytes = maximum_bytes;
  return engine_bytes().load(options);
}

std::vector<int64_t> batches(const Engine& engine) {
  std::vector<int64_t> all;
  for (const PlanSummary& plan : engine.plans()) all.push_back(plan.input_shapes.at(0)[0]);
  return all;
}

TEST(EngineCache, EntriesAreDroppedLeastRecentlyUsedFirst) {
  TrappingAllocator memory;
  const Engine engine = loaded(memory, 3);
  for (const int64_t batch : {1, 2, 3}) engine.prepare({digits_shape(batch)});
  EXPECT_EQ(batches(engine), (std::vector<int64_t>{3, 2, 1}));
  digits_scores(engine, 1);
  EXPECT_EQ(batches(engine), (std::vector<int64_t>{1, 3, 2}));
  engine.prepare({digits_shape(4)});
  EXPECT_EQ(batches(engine), (std::vector<int64_t>{4, 1, 3}));
  EXPECT_EQ(engine.evictions(), 1);
  EXPECT_TRUE(engine.planned({digits_shape(2)}));  // its tactics are known: nothing is measured again
}

TEST(EngineCache, SizesAreThoseThatAreHeld) {
  TrappingAllocator memory;
  const Engine engine = loaded(memory, 4);
  uint64_t sum = 0;
  for (const int64_t batch : {1, 5, 9}) engine.prepare({digits_shape(batch)});
  for (const PlanSummary& plan : engine.plans()) {
    EXPECT_EQ(plan.contexts, 1);
    EXPECT_EQ(plan.held_bytes, plan.memory.activation_bytes + plan.memory.workspace_bytes);
    sum += plan.held_bytes;
  }
  const MemoryDetails details = engine.memory_details();
  EXPECT_EQ(details.cached_bytes, details.report.weights_bytes + sum);
  EXPECT_EQ(memory.bytes_in_use(), details.cached_bytes);
}

// A tactic may want another form of a weight for another batch, but not each batch all of them.
TEST(EngineCache, WeightsAreShared) {
  TrappingAllocator memory, apart;
  const Engine engine = loaded(memory, 8);
  uint64_t sum = 0, largest = 0;
  for (const int64_t batch : {1, 2, 3, 4}) {
    digits_scores(engine, batch);
    const Engine alone = loaded(apart, 1);
    alone.prepare({digits_shape(batch)});
    sum += alone.memory().weights_bytes;
    largest = std::max(largest, alone.memory().weights_bytes);
  }
  EXPECT_LE(engine.memory().weights_bytes, sum / 2);
  EXPECT_LE(engine.memory().weights_bytes, 2 * largest);
  EXPECT_EQ(engine.memory_details().allocated.in_use_bytes[0], engine.memory().weights_bytes);
}

TEST(EngineCache, BytesAreALimitToo) {
  TrappingAllocator memory;
  uint64_t most = 0;
  {
    const Engine engine = loaded(memory, 8);
    for (const int64_t batch : {4, 8, 16}) engine.prepare({digits_shape(batch)});
    most = engine.memory_details().cached_bytes;
  }
  const Engine engine = loaded(memory, 8, most);
  for (const int64_t batch : {4, 8, 16}) engine.prepare({digits_shape(batch)});
  EXPECT_EQ(batches(engine), (std::vector<int64_t>{16, 8, 4}));
  engine.prepare({digits_shape(15)});  // needs about as much as 4 and 8 together
  EXPECT_EQ(batches(engine), (std::vector<int64_t>{15, 16}));
  EXPECT_EQ(engine.evictions(), 2);
  EXPECT_LE(engine.memory_details().cached_bytes, most);
  for (const int64_t batch : {1, 2, 3, 4, 5, 6, 16, 11, 7}) {
    EXPECT_EQ(digits_scores(engine, batch).size(), static_cast<size_t>(batch) * 10);
    EXPECT_LE(memory.bytes_in_use(), most) << batch;
  }
}

TEST(EngineCache, TheLatestPlanStaysWhateverTheLimit) {
  TrappingAllocator memory;
  const Engine engine = loaded(memory, 8, 0);
  for (const int64_t batch : {3, 2, 3}) {
    EXPECT_EQ(digits_scores(engine, batch).size(), static_cast<size_t>(batch) * 10);
    EXPECT_EQ(batches(engine), (std::vector<int64_t>{batch}));
  }
  EXPECT_EQ(engine.evictions(), 2);
}

// A batch that there is no memory for takes nobody's place, whichever limit makes room for it.
TEST(EngineCache, ARefusedBatchDropsNoPlan) {
  for (const bool by_bytes : {false, true}) {
    TrappingAllocator memory;
    EngineOptions options = testing::digits_options().engine;
    options.allocator = &memory;
    uint64_t needed = 0;
    {
      const Engine engine = engine_bytes().load(options);
      needed = engine.memory({digits_shape(4)}).peak_bytes;
    }
    options.memory_limit_bytes = needed;
    options.maximum_cached_engines = by_bytes ? 8 : 1;
    if (by_bytes) options.maximum_cached_bytes = needed;
    const Engine engine = engine_bytes().load(options);
    const std::vector<float> want = digits_scores(engine, 4);
    for (int round = 0; round < 2; ++round) {
      EXPECT_THROW(digits_scores(engine, 64), OutOfMemory);
      EXPECT_THROW(engine.prepare({digits_shape(64)}), OutOfMemory);
      EXPECT_EQ(batches(engine), (std::vector<int64_t>{4})) << by_bytes;
      EXPECT_EQ(engine.evictions(), 0);
      EXPECT_EQ(digits_scores(engine, 4), want);
    }
    EXPECT_EQ(digits_scores(engine, 3).size(), 30u);  // one that fits does
    EXPECT_EQ(batches(engine), (std::vector<int64_t>{3}));
    EXPECT_EQ(engine.evictions(), 1);
  }
}

TEST(EngineCache, CallsAtTheSameTimeHaveMemoryOfTheirOwn) {
  TrappingAllocator memory;
  const Engine engine = loaded(memory, 2);
  const std::vector<float> want = digits_scores(engine, 16);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int run = 0; run < 30; ++run) ASSERT_EQ(digits_scores(engine, 16), want);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const PlanSummary plan = engine.plans().at(0);
  EXPECT_GE(plan.contexts, 1);
  EXPECT_LE(plan.contexts, 4);
  EXPECT_EQ(plan.held_bytes,
            static_cast<uint64_t>(plan.contexts) * (plan.memory.activation_bytes + plan.memory.workspace_bytes));
  engine.release_memory();
  EXPECT_EQ(memory.bytes_in_use(), engine.memory().weights_bytes);
}

}  // namespace
}  // namespace tfengine
