// SPDX-License-Identifier: Apache-2.0
// One operation's engine without TensorFlow: the digits model as its segment, calls from many threads, memory that is
// refused.
#include "plugin/op_engine.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <thread>

#include "tfengine/error.h"

namespace tfengine::plugin {
namespace {

using nlohmann::json;

// The memory that an engine may use, counted.
class Memory : public Allocator {
 public:
  explicit Memory(uint64_t limit_bytes = UINT64_MAX) : system_(limit_bytes) {}
  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override {
    return refuse_ ? nullptr : system_.allocate(bytes, alignment, purpose);
  }
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override {
    system_.deallocate(pointer, bytes, purpose);
  }
  uint64_t bytes_in_use() const noexcept override { return system_.bytes_in_use(); }
  uint64_t limit_bytes() const noexcept override { return system_.limit_bytes(); }
  void refuse(bool refuse) { refuse_ = refuse; }

 private:
  SystemAllocator system_;
  std::atomic<bool> refuse_ = false;
};

SegmentGraph digits() {
  std::ifstream file(std::string(TFE_SOURCE_DIR) + "/examples/digits/cnn.pb", std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  auto owner = std::make_shared<const std::string>(bytes.str());
  return {*owner, owner, {"image"}, {"Identity"}};
}

std::shared_ptr<OpEngine> make(OpConfig config = {}, std::shared_ptr<Allocator> memory = std::make_shared<Memory>(),
                               std::function<SegmentGraph()> segment = digits) {
  config.name = "op";
  return std::make_shared<OpEngine>(config, std::move(segment), OpPlace(std::move(memory)));
}

Tensor images(int64_t count, uint32_t seed = 1) {
  Tensor tensor(DType::F32, {count, 8, 8, 1});
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
  for (int64_t i = 0; i < tensor.elements(); ++i) tensor.mutable_as<float>()[i] = uniform(random);
  return tensor;
}

struct Result {
  Outcome outcome;
  std::vector<std::vector<float>> outputs;
};

// The call, waited for.
Result call(OpEngine& engine, const Tensor& input, bool allow_build = true) {
  Result result;
  std::mutex mutex;
  std::condition_variable wake;
  bool done = false;
  Call call;
  call.inputs = {{"", input}};
  call.allow_build = allow_build;
  call.allocate = [&](const std::vector<Shape>& shapes) {
    std::vector<void*> addresses;
    for (const Shape& shape : shapes) {
      result.outputs.emplace_back(static_cast<size_t>(shape.elements()));
      addresses.push_back(result.outputs.back().data());
    }
    return addresses;
  };
  call.done = [&](Outcome outcome) {
    const std::lock_guard lock(mutex);
    result.outcome = std::move(outcome);
    done = true;
    wake.notify_one();
  };
  engine.run(std::move(call));
  std::unique_lock lock(mutex);
  wake.wait(lock, [&] { return done; });
  return result;
}

std::vector<float> standalone(const Tensor& input) {
  static const Engine engine = convert(Model::load(std::string(TFE_SOURCE_DIR) + "/examples/digits/cnn.pb"));
  const Tensor out = engine.run({{"", input}})[0].tensor;
  return {out.as<float>(), out.as<float>() + out.elements()};
}

void expect_right(const Result& result, const Tensor& input) {
  ASSERT_EQ(result.outcome.kind, Outcome::Kind::Done) << result.outcome.reason;
  const std::vector<float> want = standalone(input);
  ASSERT_EQ(result.outputs.size(), 1u);
  ASSERT_EQ(result.outputs[0].size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(result.outputs[0][i], want[i], 1e-4) << i;
}

std::string message_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const OutOfMemory& e) {
    return std::string("OutOfMemory: ") + e.what();
  } catch (const std::exception& e) {
    return e.what();
  }
}

TEST(OpEngine, AnswersAndCounts) {
  const auto engine = make();
  const Tensor input = images(3);
  expect_right(call(*engine, input), input);
  expect_right(call(*engine, input), input);
  const json status = json::parse(engine->status_json());
  EXPECT_EQ(status["state"], "ready");
  EXPECT_EQ(status["builds"], 1);
  EXPECT_EQ(status["engine_calls"], 2);
  EXPECT_EQ(status["engines"][0]["input_shapes"], json::parse("[[3,8,8,1]]"));
}

TEST(OpEngine, HoldsItsWeightsArenaAndWorkspaceAndLittleElse) {
  const auto memory = std::make_shared<Memory>();
  const auto engine = make({}, memory);
  call(*engine, images(2));
  const MemoryReport report = engine->engine()->plans().at(0).memory;
  EXPECT_GE(memory->bytes_in_use(), report.peak_bytes);
  EXPECT_LT(memory->bytes_in_use(), report.peak_bytes + 64 * 1024);
}

TEST(OpEngine, OtherShapesArePlannedFromTheSegmentAgain) {
  int reads = 0;
  OpConfig config;
  config.maximum_cached_engines = 3;
  const auto engine = make(config, std::make_shared<Memory>(), [&] {
    ++reads;
    return digits();
  });
  for (const int64_t count : {2, 5, 2, 7}) {
    const Tensor input = images(count);
    expect_right(call(*engine, input), input);
  }
  EXPECT_EQ(reads, 3);
  const auto plans = engine->engine()->plans();
  ASSERT_EQ(plans.size(), 3u);
  EXPECT_EQ(plans[0].input_shapes[0], (Shape{7, 8, 8, 1}));
  EXPECT_EQ(plans[1].input_shapes[0], (Shape{2, 8, 8, 1}));
}

TEST(OpEngine, RefusedMemoryIsAnErrorAndForgotten) {
  const auto memory = std::make_shared<Memory>();
  const auto engine = make({}, memory);
  const Tensor input = images(2);
  memory->refuse(true);
  const Result refused = call(*engine, input);
  ASSERT_EQ(refused.outcome.kind, Outcome::Kind::Failed);
  EXPECT_NE(message_of(refused.outcome.error).find("OutOfMemory: out of memory: "), std::string::npos);
  memory->refuse(false);
  expect_right(call(*engine, input), input);
  memory->refuse(true);
  EXPECT_EQ(call(*engine, images(9)).outcome.kind, Outcome::Kind::Failed);
  expect_right(call(*engine, input), input);  // what is there still runs
  EXPECT_TRUE(json::parse(engine->status_json())["failed_builds"].empty());
}

TEST(OpEngine, ALimitThatAnEngineExceedsSaysSo) {
  const auto engine = make({}, std::make_shared<Memory>(uint64_t{1} << 20));
  const std::string message = message_of(call(*engine, images(2)).outcome.error);
  EXPECT_NE(message.find("limit 1048576 bytes"), std::string::npos) << message;
}

TEST(OpEngine, BadSegmentsRunNativelyAndAreGivenUp) {
  int reads = 0;
  const auto engine = make({}, std::make_shared<Memory>(), [&]() -> SegmentGraph {
    ++reads;
    return {"garbage", nullptr, {}, {}};
  });
  for (int64_t count = 1; count < 8; ++count) {
    EXPECT_EQ(call(*engine, images(count)).outcome.kind, Outcome::Kind::Native);
  }
  EXPECT_EQ(reads, 3);
}

TEST(OpEngine, CallsThatWaitForABuildAllGetTheirAnswer) {
  const auto engine = make();
  const Tensor input = images(4);
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { right += call(*engine, input).outcome.kind == Outcome::Kind::Done; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 8);
  EXPECT_EQ(json::parse(engine->status_json())["builds"], 1);
}

TEST(OpEngine, ABuildDoesNotHoldUpOtherShapes) {
  std::atomic<bool> hold = false;
  OpConfig config;
  config.maximum_cached_engines = 2;
  const auto engine = make(config, std::make_shared<Memory>(), [&] {
    while (hold) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return digits();
  });
  const Tensor ready = images(1), slow = images(2);
  expect_right(call(*engine, ready), ready);
  hold = true;
  std::thread builder([&] { expect_right(call(*engine, slow), slow); });
  for (int i = 0; i < 20; ++i) expect_right(call(*engine, ready), ready);
  hold = false;
  builder.join();
}

TEST(OpEngine, CalibratesThenComputesInInt8) {
  OpConfig config;
  config.precision = "int8";
  config.calibrate = true;
  const auto engine = make(config);
  EXPECT_THROW(engine->calibration_table(), InvalidArgument);
  for (uint32_t i = 0; i < 4; ++i) {
    const Tensor batch = images(8, i);
    expect_right(call(*engine, batch), batch);
  }
  EXPECT_TRUE(engine->calibrating());
  const std::string table = engine->calibration_table();
  EXPECT_EQ(table.substr(0, 4), "TRT-");
  EXPECT_EQ(engine->calibration()->samples(), 32);
  EXPECT_EQ(call(*engine, images(8)).outcome.kind, Outcome::Kind::Done);
  EXPECT_EQ(engine->engine()->precision(), "int8");

  OpConfig with_table;
  with_table.precision = "int8";
  with_table.calibration_table = table;
  const auto other = make(with_table);
  EXPECT_EQ(call(*other, images(8)).outcome.kind, Outcome::Kind::Done);
  EXPECT_EQ(other->engine()->precision(), "int8");
}

TEST(OpEngine, EnginesOfOthersAreNotAdopted) {
  OpConfig config;
  config.tag = "mine";
  const auto first = make(config);
  call(*first, images(2));
  std::string bytes;
  first->engine()->write([&](const void* data, size_t size) { bytes.append(static_cast<const char*>(data), size); });
  std::shared_ptr<void> aligned(std::aligned_alloc(64, (bytes.size() + 63) / 64 * 64), std::free);
  std::memcpy(aligned.get(), bytes.data(), bytes.size());
  const auto read = [&] {
    return Engine::from_bytes({static_cast<const char*>(aligned.get()), bytes.size()}, aligned,
                              first->engine_options());
  };
  const auto second = make(config);
  EXPECT_TRUE(second->adopt(read()));
  const Tensor input = images(2);
  expect_right(call(*second, input), input);
  EXPECT_EQ(call(*second, images(3), false).outcome.kind, Outcome::Kind::Native);
  config.tag = "another";
  EXPECT_FALSE(make(config)->adopt(read()));
  config.tag = "mine";
  config.precision = "int8";
  EXPECT_FALSE(make(config)->adopt(read()));
}

}  // namespace
}  // namespace tfengine::plugin
