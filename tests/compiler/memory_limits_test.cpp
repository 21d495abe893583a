// SPDX-License-Identifier: Apache-2.0
// Limits that bind: what an engine takes is what it says, byte for byte, and a limit is never exceeded by one.
#include "tfengine/memory.h"

#include <gtest/gtest.h>

#include <set>

#include "support/digits.h"
#include "support/memory_testing.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

using testing::digits_model;
using testing::digits_options;
using testing::digits_scores;
using testing::digits_shape;
using testing::EngineBytes;
using testing::TrappingAllocator;

uint64_t of(const std::array<uint64_t, kPurposes>& bytes, Purpose purpose) {
  return bytes[static_cast<size_t>(purpose)];
}

// Engines in both precisions and for batches of 1 and 16, as files.
struct Case {
  std::string name;
  int64_t batch;
  EngineBytes bytes;
  std::vector<float> scores;
};

const std::vector<Case>& cases() {
  static const std::vector<Case>& all = *[] {
    auto* made = new std::vector<Case>;
    const Calibration calibration = testing::digits_calibration();
    for (const bool int8 : {false, true}) {
      for (const int64_t batch : {1, 16}) {
        const Engine engine = convert(digits_model(), digits_options(int8 ? &calibration : nullptr, batch));
        made->push_back({std::string(int8 ? "Int8" : "Fp32") + "Batch" + std::to_string(batch), batch,
                         EngineBytes(engine), digits_scores(engine, batch)});
      }
    }
    return made;
  }();
  return all;
}

class MemoryLimitsTest : public ::testing::TestWithParam<size_t> {
 protected:
  const Case& engine() const { return cases()[GetParam()]; }
  static EngineOptions options(Allocator& allocator, uint64_t limit_bytes = UINT64_MAX) {
    EngineOptions options;
    options.allocator = &allocator;
    options.memory_limit_bytes = limit_bytes;
    options.time_tactics = false;
    return options;
  }
};

TEST_P(MemoryLimitsTest, WhatIsPredictedIsAllocatedByPurpose) {
  TrappingAllocator memory;
  const Engine loaded = engine().bytes.load(options(memory));
  EXPECT_EQ(memory.bytes_in_use(), 0u);
  EXPECT_EQ(digits_scores(loaded, engine().batch), engine().scores);
  const MemoryDetails details = loaded.memory_details();
  const MemoryReport& report = details.report;
  const AllocatorStats& allocated = details.allocated;
  EXPECT_EQ(of(allocated.peak_bytes, Purpose::Weights), report.weights_bytes);
  EXPECT_EQ(of(allocated.peak_bytes, Purpose::Activations), report.activation_bytes);
  EXPECT_EQ(of(allocated.peak_bytes, Purpose::Workspace), report.workspace_bytes);
  EXPECT_EQ(of(allocated.peak_bytes, Purpose::Temporary), 0u);
  EXPECT_EQ(allocated.total_peak_bytes, report.peak_bytes);
  EXPECT_EQ(allocated.in_use_bytes, allocated.peak_bytes);  // nothing more, not even for a moment
  EXPECT_EQ(memory.peak_bytes(), report.peak_bytes);
  EXPECT_EQ(details.cached_bytes, report.peak_bytes);
}

// Every limit around each sum that is reached on the way, and many between.
TEST_P(MemoryLimitsTest, EachLimitIsEnoughOrSaysWhatIsMissing) {
  uint64_t needed = 0, weights = 0, activations = 0;
  {
    TrappingAllocator memory;
    const MemoryReport report = engine().bytes.load(options(memory)).memory({digits_shape(engine().batch)});
    needed = report.peak_bytes;
    weights = report.weights_bytes;
    activations = report.activation_bytes;
  }
  std::set<uint64_t> limits = {0, 1, needed + 1, 2 * needed};
  for (const uint64_t at : {weights, weights + activations, needed}) limits.insert({at - 1, at});
  for (uint64_t at = needed / 40; at < needed; at += needed / 40) limits.insert(at);
  for (const uint64_t limit : limits) {
    TrappingAllocator memory(limit);
    try {
      const Engine loaded = engine().bytes.load(options(memory, limit));
      EXPECT_EQ(digits_scores(loaded, engine().batch), engine().scores);
      EXPECT_GE(limit, needed);
    } catch (const OutOfMemory& error) {
      EXPECT_LT(limit, needed) << error.what();
      const MemoryRefusal& refusal = error.refusal();
      EXPECT_EQ(refusal.limit_bytes, limit);
      EXPECT_EQ(refusal.largest_free_bytes, limit - refusal.in_use_bytes);
      EXPECT_GT(refusal.requested_bytes, refusal.largest_free_bytes);
      EXPECT_EQ(refusal.setting, "the engine's memory_limit_bytes");
      EXPECT_EQ(refusal.engine, "cnn");
      EXPECT_EQ(refusal.purpose, limit < weights                 ? "weights"
                                 : limit < weights + activations ? "activations"
                                                                 : "workspace");
      EXPECT_NE(refusal.what.find("step '"), std::string::npos) << refusal.what;
    }
    EXPECT_EQ(memory.bytes_in_use(), 0u);
    EXPECT_LE(memory.peak_bytes(), limit);
  }
}

TEST_P(MemoryLimitsTest, ConversionTimesTacticsWithWhatThereIs) {
  // What is timed takes memory that the process has not: the engine is made all the same, if it fits itself.
  const ConvertOptions plain = digits_options(nullptr, engine().batch);
  const uint64_t needed = convert(digits_model(), plain).memory().peak_bytes;
  for (const double share : {0.5, 1.0, 1.5, 3.0, 10.0}) {
    ConvertOptions timed = plain;
    timed.engine.time_tactics = true;
    const auto limit = static_cast<uint64_t>(share * static_cast<double>(needed)) + (1 << 16);
    set_memory_limits({0.0, limit + process_memory().stats.total_in_use_bytes, true});
    reset_process_memory_peaks();
    try {
      const std::vector<float> scores = digits_scores(convert(digits_model(), timed), engine().batch);
      const std::vector<float> want =
          digits_scores(cases()[engine().batch == 1 ? 0 : 1].bytes.load({}), engine().batch);
      for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(scores[i], want[i], 1e-5);
    } catch (const OutOfMemory& error) {
      EXPECT_LT(share, 3.0) << error.what();
      EXPECT_EQ(error.refusal().setting, "memory_limit_bytes");
    }
    EXPECT_LE(process_memory().stats.total_peak_bytes, process_memory().limit_bytes);
    set_memory_limits({});
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, MemoryLimitsTest, ::testing::Range(size_t{0}, size_t{4}),
                         [](const auto& info) { return cases()[info.param].name; });

// Two engines under one limit: what one cannot have does the other no harm, and smaller requests go on.
TEST(JointMemoryLimit, OneEngineIsRefusedAndTheOthersGoOn) {
  const Case& small = cases()[0];
  const uint64_t before = process_memory().stats.total_in_use_bytes;
  const Engine first = small.bytes.load({});
  const std::vector<float> scores = digits_scores(first, 1);
  const uint64_t one = first.memory().peak_bytes;
  EXPECT_EQ(process_memory().stats.total_in_use_bytes, before + one);
  set_memory_limits({0.0, before + 2 * one + one / 2, true});
  EngineOptions own;
  own.memory_limit_bytes = 10 * one;  // more than the process has
  const Engine second = small.bytes.load(own);
  EXPECT_EQ(digits_scores(second, 1), scores);
  for (int round = 0; round < 2; ++round) {
    try {
      digits_scores(second, 64);
      FAIL() << "expected OutOfMemory";
    } catch (const OutOfMemory& error) {
      EXPECT_EQ(error.refusal().setting, "memory_limit_bytes");
      EXPECT_EQ(error.refusal().limit_bytes, before + 2 * one + one / 2);
    }
    EXPECT_EQ(digits_scores(first, 1), scores);
    EXPECT_EQ(digits_scores(second, 1), scores);
    EXPECT_EQ(digits_scores(second, 2).size(), 20u);
  }
  EXPECT_THROW(small.bytes.load({}).prepare({digits_shape(1)}), OutOfMemory);
  set_memory_limits({});
  EXPECT_EQ(digits_scores(second, 64).size(), 640u);
}

// Memory that waits for calls with other shapes makes room before a request is refused.
TEST(JointMemoryLimit, IdleMemoryMakesRoom) {
  TrappingAllocator memory;
  const Case& engine = cases()[1];
  EngineOptions options;
  options.allocator = &memory;
  options.time_tactics = false;
  options.memory_limit_bytes = [&] {
    const Engine loaded = engine.bytes.load(options);
    loaded.prepare({digits_shape(16)});
    loaded.prepare({digits_shape(15)});
    const MemoryDetails details = loaded.memory_details();
    return details.cached_bytes - details.report.activation_bytes / 2;  // both at once do not fit
  }();
  const Engine loaded = engine.bytes.load(options);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(digits_scores(loaded, 16), engine.scores);
    EXPECT_EQ(digits_scores(loaded, 15).size(), 150u);
    EXPECT_LE(memory.bytes_in_use(), options.memory_limit_bytes);
  }
  EXPECT_EQ(loaded.plans().size(), 2u);
}

TEST(JointMemoryLimit, MemoryIsGivenBackWhenAskedFor) {
  const Engine engine = cases()[0].bytes.load({});
  for (const int64_t batch : {1, 2, 3}) engine.prepare({digits_shape(batch)});
  EXPECT_EQ(engine.plans().size(), 3u);
  engine.release_memory();
  EXPECT_EQ(engine.plans().size(), 1u);
  MemoryDetails details = engine.memory_details();
  EXPECT_EQ(details.cached_bytes, details.report.weights_bytes);
  EXPECT_EQ(details.evictions, 0);
  EXPECT_EQ(digits_scores(engine, 1), cases()[0].scores);
}

}  // namespace
}  // namespace tfengine
