// SPDX-License-Identifier: Apache-2.0
// One operation's engine on a GPU, whose part host memory plays that no host code can touch: inputs and outputs stay there,
// work goes into the caller's stream, and calibration gets copies.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <thread>

#include "plugin/op_engine.h"
#include "support/host_gpu.h"
#include "tfengine/error.h"
#include "tfengine/gpu.h"

namespace tfengine::plugin {
namespace {

using host_gpu::HostStream;
using nlohmann::json;

const std::string kModel = TFE_SOURCE_DIR "/examples/digits/cnn.pb";

SegmentGraph digits() {
  std::ifstream file(kModel, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  auto owner = std::make_shared<const std::string>(bytes.str());
  return {*owner, owner, {"image"}, {"Identity"}};
}

// The GPU's memory with a limit, counted.
class GpuMemory : public Allocator {
 public:
  explicit GpuMemory(uint64_t limit_bytes = UINT64_MAX) : limited_(host_gpu::memory(), limit_bytes) {}
  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override {
    return limited_.allocate(bytes, alignment, purpose);
  }
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override {
    limited_.deallocate(pointer, bytes, purpose);
  }
  Device device() const noexcept override { return limited_.device(); }
  uint64_t bytes_in_use() const noexcept override { return limited_.bytes_in_use(); }
  uint64_t limit_bytes() const noexcept override { return limited_.limit_bytes(); }

 private:
  LimitedAllocator limited_;
};

struct Op {
  explicit Op(OpConfig config = {}, uint64_t limit_bytes = UINT64_MAX)
      : gpu(std::make_shared<GpuMemory>(limit_bytes)), host(std::make_shared<SystemAllocator>()) {
    config.name = "op";
    engine = std::make_shared<OpEngine>(config, digits, OpPlace("cuda:0", gpu, host));
  }
  json status() const { return json::parse(engine->status_json()); }
  std::shared_ptr<GpuMemory> gpu;
  std::shared_ptr<SystemAllocator> host;
  std::shared_ptr<OpEngine> engine;
};

// A tensor in the GPU's memory.
class OnGpu {
 public:
  explicit OnGpu(const Shape& shape) : tensor_(DType::F32, shape, allocate(shape), nullptr) {}
  explicit OnGpu(const Tensor& from) : OnGpu(from.shape()) {
    std::memcpy(host_gpu::at(tensor_.data()), from.data(), from.bytes());
  }
  ~OnGpu() { host_gpu::memory().deallocate(const_cast<void*>(tensor_.data()), tensor_.bytes(), Purpose::Activations); }
  OnGpu(const OnGpu&) = delete;
  OnGpu& operator=(const OnGpu&) = delete;
  const Tensor& view() const { return tensor_; }
  std::vector<float> values() const {
    const auto* first = static_cast<const float*>(host_gpu::at(tensor_.data()));
    return {first, first + tensor_.elements()};
  }

 private:
  static void* allocate(const Shape& shape) {
    return host_gpu::memory().allocate(static_cast<size_t>(shape.elements()) * sizeof(float), 256,
                                       Purpose::Activations);
  }
  Tensor tensor_;
};

Tensor images(int64_t count, uint32_t seed = 1) {
  Tensor tensor(DType::F32, {count, 8, 8, 1});
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
  for (int64_t i = 0; i < tensor.elements(); ++i) tensor.mutable_as<float>()[i] = uniform(random);
  return tensor;
}

struct Result {
  Outcome outcome;
  std::vector<std::unique_ptr<OnGpu>> outputs;
  std::thread::id finished_on;
};

// The call; its outcome is waited for, what it put into the stream is not.
Result call(const Op& op, const OnGpu& input, HostStream& stream) {
  Result result;
  std::promise<void> done;
  Call call;
  call.inputs = {{"", input.view()}};
  call.stream = stream.handle();
  call.allocate = [&](const std::vector<Shape>& shapes) {
    std::vector<void*> addresses;
    for (const Shape& shape : shapes) {
      result.outputs.push_back(std::make_unique<OnGpu>(shape));
      addresses.push_back(const_cast<void*>(result.outputs.back()->view().data()));
    }
    return addresses;
  };
  call.done = [&](Outcome outcome) {
    result.outcome = std::move(outcome);
    result.finished_on = std::this_thread::get_id();
    done.set_value();
  };
  op.engine->run(std::move(call));
  done.get_future().wait();
  return result;
}

std::vector<float> on_host(const Tensor& input) {
  static const Engine engine = convert(Model::load(kModel));
  const Tensor out = engine.run({{"", input}})[0].tensor;
  return {out.as<float>(), out.as<float>() + out.elements()};
}

void expect_near(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-4) << i;
}

void expect_right(const Result& result, const Tensor& input, HostStream& stream) {
  ASSERT_EQ(result.outcome.kind, Outcome::Kind::Done) << result.outcome.reason;
  stream.wait();
  ASSERT_EQ(result.outputs.size(), 1u);
  expect_near(result.outputs[0]->values(), on_host(input));
}

TEST(OpEngineOnGpu, TensorsStayThere) {
  const Op op;
  HostStream stream;
  const Tensor image = images(3);
  const OnGpu input(image);
  expect_right(call(op, input, stream), image, stream);
  expect_right(call(op, input, stream), image, stream);
  const json status = op.status();
  EXPECT_EQ(status["device"], "cuda:0");
  EXPECT_EQ(status["builds"], 1);
  EXPECT_EQ(status["engine_calls"], 2);
  EXPECT_EQ(op.engine->engine()->device(), "cuda:0");
  EXPECT_GE(op.gpu->bytes_in_use(), status["engines"][0]["weights_bytes"].get<uint64_t>());
}

// The caller's thread puts the work into the stream, behind what is there and without waiting for it.
TEST(OpEngineOnGpu, WorkIsInOrderWithTheCallersStream) {
  const Op op;
  HostStream stream;
  const Tensor image = images(2), other = images(2, 9);
  const OnGpu input(image);
  expect_right(call(op, input, stream), image, stream);
  std::promise<void> release;
  stream.put([&] {
    release.get_future().wait();
    std::memcpy(host_gpu::at(input.view().data()), other.data(), other.bytes());
  });
  const Result result = call(op, input, stream);
  EXPECT_EQ(result.finished_on, std::this_thread::get_id());
  release.set_value();
  expect_right(result, other, stream);
}

TEST(OpEngineOnGpu, CallsThatWaitForABuildAllGetTheirAnswer) {
  const Op op;
  HostStream stream;
  const Tensor image = images(4);
  const OnGpu input(image);
  std::vector<std::thread> threads;
  std::vector<Result> results(6);
  for (Result& result : results) threads.emplace_back([&] { result = call(op, input, stream); });
  for (std::thread& thread : threads) thread.join();
  for (const Result& result : results) expect_right(result, image, stream);
  EXPECT_EQ(op.status()["builds"], 1);
}

TEST(OpEngineOnGpu, CalibratesOnTheHostThenComputesInInt8) {
  OpConfig config;
  config.precision = "int8";
  config.calibrate = true;
  const Op op(config);
  HostStream stream;
  for (uint32_t seed = 0; seed < 4; ++seed) {
    const Tensor image = images(8, seed);
    const OnGpu input(image);
    expect_right(call(op, input, stream), image, stream);
  }
  EXPECT_EQ(op.gpu->bytes_in_use(), 0u);  // there is no engine yet
  const std::string table = op.engine->calibration_table();
  EXPECT_EQ(op.engine->calibration()->samples(), 32);
  const OnGpu input(images(8));
  EXPECT_EQ(call(op, input, stream).outcome.kind, Outcome::Kind::Done);
  stream.wait();
  EXPECT_EQ(op.engine->engine()->precision(), "int8");
  EXPECT_EQ(op.engine->engine()->device(), "cuda:0");

  // The CPU's operation, calibrated with the same batches, has the same table.
  config.name = "op";
  const auto twin = std::make_shared<OpEngine>(config, digits, OpPlace(std::make_shared<SystemAllocator>()));
  for (uint32_t seed = 0; seed < 4; ++seed) {
    std::vector<float> scores;
    std::promise<void> done;
    Call call;
    call.inputs = {{"", images(8, seed)}};
    call.allocate = [&](const std::vector<Shape>& shapes) {
      scores.resize(static_cast<size_t>(shapes[0].elements()));
      return std::vector<void*>{scores.data()};
    };
    call.done = [&](const Outcome&) { done.set_value(); };
    twin->run(std::move(call));
    done.get_future().wait();
  }
  EXPECT_EQ(twin->calibration_table(), table);
}

TEST(OpEngineOnGpu, ItsMemoryIsTheLimit) {
  const Op op({}, uint64_t{4} << 10);
  HostStream stream;
  const OnGpu input(images(2));
  const Result result = call(op, input, stream);
  ASSERT_EQ(result.outcome.kind, Outcome::Kind::Failed);
  EXPECT_THROW(std::rethrow_exception(result.outcome.error), OutOfMemory);
  EXPECT_EQ(op.gpu->bytes_in_use(), 0u);
  EXPECT_TRUE(result.outputs.empty());
}

TEST(OpEngineOnGpu, HalfPrecisionIsFp16) {
  OpConfig config;
  config.precision = "fp16";
  const Op op(config);
  HostStream stream;
  const OnGpu input(images(2));
  EXPECT_EQ(call(op, input, stream).outcome.kind, Outcome::Kind::Done);
  stream.wait();
  EXPECT_EQ(op.engine->engine()->precision(), "fp16");
}

// What an engine cannot take where it lies runs natively, and says why.
TEST(OpEngineOnGpu, AnAddressThatIsNotAlignedRunsNatively) {
  const Op op;
  HostStream stream;
  const OnGpu input(images(3));
  expect_right(call(op, input, stream), images(3), stream);
  std::promise<Outcome> promise;
  Call moved;
  moved.inputs = {{"", Tensor(DType::F32, {3, 8, 8, 1}, static_cast<const char*>(input.view().data()) + 4, nullptr)}};
  moved.stream = stream.handle();
  moved.allocate = [](const std::vector<Shape>&) -> std::vector<void*> {
    ADD_FAILURE() << "no buffers are needed";
    return {};
  };
  moved.done = [&](Outcome outcome) { promise.set_value(std::move(outcome)); };
  op.engine->run(std::move(moved));
  const Outcome outcome = promise.get_future().get();
  EXPECT_EQ(outcome.kind, Outcome::Kind::Native);
  EXPECT_NE(outcome.reason.find("expected a multiple of 16"), std::string::npos) << outcome.reason;
}

// The engine's own interface, with the same device.
TEST(EngineOnGpu, InputsHaveTheVeryDtypes) {
  ConvertOptions options;
  options.engine.device = "cuda:1";
  const Engine engine = convert(Model::load(kModel), options);
  const OnGpu input(images(2)), output(Shape{2, 10});
  const auto allocate = [&](const std::vector<Shape>& shapes) {
    EXPECT_EQ(shapes, (std::vector<Shape>{{2, 10}}));
    return std::vector<void*>{const_cast<void*>(output.view().data())};
  };
  HostStream stream;
  engine.run_on_device({{"image", input.view()}}, allocate, stream.handle());
  gpu_wait(1, stream.handle());
  expect_near(output.values(), on_host(images(2)));
  const Tensor bytes(DType::U8, {2, 8, 8, 1}, input.view().data(), nullptr);
  try {
    engine.run_on_device({{"", bytes}}, allocate);
    ADD_FAILURE() << "expected InvalidArgument";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "input 'image': got uint8, expected float32");
  }
  EXPECT_THROW(engine.run_on_device({{"", input.view()}}, [](const auto&) { return std::vector<void*>{}; }),
               InvalidArgument);
}

}  // namespace
}  // namespace tfengine::plugin
