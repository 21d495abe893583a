// SPDX-License-Identifier: Apache-2.0
// Each request for memory refused in turn, while a model is converted, calibrated, loaded and run: a clean error each time,
// nothing lost, and the next try gives the right answer.
#include <gtest/gtest.h>

#include <functional>

#include "base/host_memory.h"
#include "compiler/model_impl.h"
#include "ir/parser.h"
#include "support/digits.h"
#include "support/memory_testing.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

using testing::digits_model;
using testing::digits_options;
using testing::digits_scores;
using testing::EngineBytes;

constexpr int kMostRequests = 3000;

class MemoryFaults : public ::testing::Test {
 protected:
  // Runs `attempt` with the first, the second, ... request refused, until none is; returns how many there were.
  // `after`: what has to hold after each refusal.
  int refuse_each(
      const std::function<void()>& attempt, const std::function<void()>& after = [] {}) {
    const HostMemoryScope scope(memory_);
    for (int number = 0; number < kMostRequests; ++number) {
      memory_->fail_at(number);
      try {
        attempt();
        const bool refused = memory_->refused();
        memory_->fail_at(-1);
        if (!refused) return number;
        ADD_FAILURE() << "request " << number << " was refused without anyone saying so";
      } catch (const OutOfMemory& error) {
        EXPECT_TRUE(memory_->refused()) << error.what();
        EXPECT_GT(error.requested_bytes(), 0u);
      }
      memory_->fail_at(-1);
      after();
    }
    ADD_FAILURE() << "it never ends";
    return kMostRequests;
  }

  SystemAllocator system_;
  // Shared with tensors that are made in the scope.
  std::shared_ptr<testing::FaultyAllocator> memory_ = std::make_shared<testing::FaultyAllocator>(system_);
};

TEST_F(MemoryFaults, Converting) {
  const Calibration calibration = testing::digits_calibration();
  for (const Calibration* ranges : {static_cast<const Calibration*>(nullptr), &calibration}) {
    ConvertOptions options = digits_options(ranges);
    const std::vector<float> want = digits_scores(convert(digits_model(), options), 1);
    options.engine.allocator = memory_.get();
    const Model model = digits_model();
    std::vector<float> got;
    const int requests = refuse_each(
        [&] {
          const Engine engine = convert(model, options);
          memory_->fail_at(-1);
          got = digits_scores(engine, 1);
        },
        [&] { EXPECT_EQ(system_.bytes_in_use(), 0u); });
    EXPECT_GT(requests, 10);
    EXPECT_EQ(got, want);
  }
}

TEST_F(MemoryFaults, Calibrating) {
  CalibrateOptions options;
  options.threads = 1;
  const std::string want = testing::digits_calibration().table("entropy");
  options.allocator = memory_.get();
  std::string got;
  const NamedTensor images = testing::digits_images(16);
  EXPECT_GT(refuse_each(
                [&] {
                  Calibrator calibrator(digits_model(), options);
                  calibrator.run({images});
                  got = calibrator.result().table("entropy");
                },
                [&] { EXPECT_EQ(system_.bytes_in_use(), 0u); }),
            5);
  EXPECT_EQ(got, want);
}

TEST_F(MemoryFaults, CalibratingGoesOnAfterARefusal) {
  CalibrateOptions options;
  options.threads = 1;
  options.allocator = memory_.get();
  Calibrator calibrator(digits_model(), options);
  const NamedTensor images = testing::digits_images(16);
  refuse_each([&] { calibrator.run({images}); });
  EXPECT_EQ(calibrator.samples(), 16);
  EXPECT_EQ(calibrator.result().table("entropy"), testing::digits_calibration().table("entropy"));
}

TEST_F(MemoryFaults, Loading) {
  const Engine made = convert(digits_model(), digits_options());
  const EngineBytes bytes(made);
  EngineOptions options = digits_options().engine;
  options.allocator = memory_.get();
  const std::vector<float> want = digits_scores(made, 1);
  std::vector<float> got;
  refuse_each(
      [&] {
        const Engine engine = bytes.load(options);
        engine.prepare({testing::digits_shape(1)});
        memory_->fail_at(-1);
        got = digits_scores(engine, 1);
      },
      [&] { EXPECT_EQ(system_.bytes_in_use(), 0u); });
  EXPECT_EQ(got, want);
}

// One engine through all of it: it answers as before after each refusal.
TEST_F(MemoryFaults, Running) {
  const EngineBytes bytes(convert(digits_model(), digits_options()));
  for (const WorkspaceUse use : {WorkspaceUse::Kept, WorkspaceUse::WhileRunning}) {
    EngineOptions options = digits_options().engine;
    options.allocator = memory_.get();
    options.workspace = use;
    const Engine engine = bytes.load(options);
    const std::vector<float> want = digits_scores(engine, 1);
    const NamedTensor images = testing::digits_images(3);
    std::vector<NamedTensor> outputs;
    EXPECT_GT(refuse_each([&] { outputs = engine.run({images}); }, [&] { EXPECT_EQ(digits_scores(engine, 1), want); }),
              0);
    for (int i = 0; i < 10; ++i) EXPECT_NEAR(outputs.at(0).tensor.as<float>()[i], want[static_cast<size_t>(i)], 1e-5);
  }
}

// Through two plans, with what is evaluated between them: the second is made, and takes its memory, in the run.
TEST_F(MemoryFaults, RunningWhereShapesDependOnData) {
  const Model model(detail::make_impl(ir::parse(R"(
graph @places(%x: f32[?,4]) {
  %w = const f32[4,8] uniform(1, -1, 1) %zero = const f32[] [0] %half = const f32[] [0.5]
  %m = Greater(%x, %zero)
  %p = Where(%m)
  %v = GatherNd(%x, %p)
  %above = Greater(%v, %half)
  %q = Where(%above)
  %y = MatMul(%x, %w)
  %z = GatherNd(%v, %q)
  %n = const s32[] [3] %i0 = const s32[] [0]
  %i, %grown = While(%i0, %z, %n)
    graph @cond(%ci: s32[], %cr: f32[?], %cn: s32[]) {
      %go = Less(%ci, %cn)
      return %go
    }
    graph @body(%bi: s32[], %br: f32[?], %bn: s32[]) {
      %axis = const s32[] [0] %one = const s32[] [1]
      %more = Add(%bi, %one)
      %longer = ConcatV2(%br, %br, %axis)
      return %more, %longer
    }
  %t = Tanh(%grown)
  return %y, %z, %q, %t
})"),
                                      "places"));
  const Tensor x = Tensor::of<float>(DType::F32, {2, 4}, {1, -1, 0.25f, 2, -3, 0.75f, -0.5f, 0});
  ConvertOptions options = digits_options();
  options.input_shapes = {{x.shape()}};
  options.engine.allocator = memory_.get();
  int most = 0;
  {
    const Engine engine = convert(model, options);
    std::vector<NamedTensor> outputs;
    const auto check = [&] {
      ASSERT_EQ(outputs.at(1).tensor.shape(), (Shape{3}));
      EXPECT_EQ(outputs[1].tensor.as<float>()[2], 0.75f);
      ASSERT_EQ(outputs[3].tensor.shape(), (Shape{24}));
    };
    most = refuse_each([&] { outputs = engine.run({{"x", x}}); });
    check();
    // The first try of each request takes what the ones before it left: without memory of its own each time, it asks for all.
    const int again = refuse_each([&] {
      engine.release_memory();
      outputs = engine.run({{"x", x}});
    });
    check();
    EXPECT_GT(again, 5);
  }
  EXPECT_GT(most, 5);
  EXPECT_EQ(system_.bytes_in_use(), 0u);
}

// What timing cannot have, it does without; what the engine cannot have is an error.
TEST_F(MemoryFaults, ConvertingWithTiming) {
  ConvertOptions options = digits_options();
  options.engine.time_tactics = true;
  options.engine.allocator = memory_.get();
  const Model model = digits_model();
  const std::vector<float> want = digits_scores(convert(model, options), 1);
  const HostMemoryScope scope(memory_);
  int refusals = 0, engines = 0;
  for (int number = 0; number < 400; number += 7) {
    memory_->fail_at(number);
    try {
      const Engine engine = convert(model, options);
      const bool refused = memory_->refused();
      memory_->fail_at(-1);
      const std::vector<float> got = digits_scores(engine, 1);
      for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-4) << number;
      ++engines;
      if (!refused) break;
    } catch (const OutOfMemory&) {
      ++refusals;
    }
  }
  EXPECT_GT(engines, 1);
  EXPECT_GT(refusals, 0);
  memory_->fail_at(-1);
  EXPECT_EQ(system_.bytes_in_use(), 0u);
}

}  // namespace
}  // namespace tfengine
