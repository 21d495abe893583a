// SPDX-License-Identifier: Apache-2.0
// Whole engines on the GPU against the same engines on the host; its memory against its limit; tensors that stay there.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "quantize/metrics.h"
#include "tfengine/convert.h"
#include "tfengine/error.h"
#include "tfengine/gpu.h"

namespace tfengine {
namespace {

using quantize::signal_to_noise_db;

const std::string kDigits = TFE_SOURCE_DIR "/examples/digits/";

DataOptions data_options(int64_t batch_size) {
  DataOptions options;
  options.batch_size = batch_size;
  options.feature = "image_raw";
  options.feature_shape = Shape{8, 8, 1};
  options.scale = {0.0625f, 0.0625f, 0.0625f};
  return options;
}

ConvertOptions options_for(const std::string& device, const std::string& precision, const Calibration* calibration) {
  ConvertOptions options;
  options.precision = precision;
  options.calibration = calibration;
  options.int8_grid = "tensorrt";  // the same grids on both sides
  options.avoid_slow_int8 = false;
  options.engine.threads = 2;
  options.engine.device = device;
  options.engine.time_tactics = false;  // compiling every configuration takes minutes
  return options;
}

std::vector<NamedTensor> test_images(int64_t count) {
  const auto data = open_data(kDigits + "data/test.tfrecord", data_options(count));
  Batch batch;
  EXPECT_TRUE(data->next(batch));
  return {{"", batch.at(0).tensor}};
}

int top1_differences(const Tensor& a, const Tensor& b) {
  const int64_t classes = a.shape().back();
  int different = 0;
  for (int64_t n = 0; n < a.elements() / classes; ++n) {
    const float *x = a.as<float>() + n * classes, *y = b.as<float>() + n * classes;
    different += std::max_element(x, x + classes) - x == std::max_element(y, y + classes) - y ? 0 : 1;
  }
  return different;
}

class CudaEngine : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!gpu_absence().empty()) GTEST_SKIP() << gpu_absence();
  }
};

TEST_P(CudaEngine, ComputesWhatTheHostComputes) {
  const Model model = Model::load(kDigits + GetParam());
  const auto data = open_data(kDigits + "data/calibration.tfrecord", data_options(16));
  const Calibration calibration = calibrate(model, *data, {});
  const auto images = test_images(400);
  for (const std::string precision : {"fp32", "fp16", "int8"}) {
    const Calibration* used = precision == "int8" ? &calibration : nullptr;
    const Engine host = convert(model, options_for("cpu", precision == "fp16" ? "fp32" : precision, used));
    const Engine gpu = convert(model, options_for("cuda", precision, used));
    EXPECT_EQ(gpu.device(), "cuda:0");
    const Tensor want = host.run(images)[0].tensor, got = gpu.run(images)[0].tensor;
    EXPECT_GE(signal_to_noise_db(want, got), 35.0) << precision;
    EXPECT_EQ(top1_differences(want, got), 0) << precision;
    EXPECT_EQ(gpu.precision(), precision);
    for (const LayerProfile& layer : gpu.profile(images, 1)) {
      EXPECT_TRUE(layer.backend == "cuda")
          << precision << ": " << layer.op << " '" << layer.name << "' runs on the host";
    }
  }
}

TEST_P(CudaEngine, KeepsItsPlansInItsFile) {
  const Model model = Model::load(kDigits + GetParam());
  const Engine made = convert(model, options_for("cuda", "fp32", nullptr));
  const auto images = test_images(1);
  const Tensor want = made.run(images)[0].tensor;
  const std::string path = "/tmp/cuda_engine_test_" + std::to_string(getpid()) + ".tfe";
  made.save(path);
  EngineOptions options;
  options.device = "cuda";
  const Engine loaded = Engine::load(path, options);
  std::remove(path.c_str());
  EXPECT_TRUE(loaded.notices().empty());
  EXPECT_TRUE(loaded.planned({Shape{1, 8, 8, 1}}));
  const Tensor got = loaded.run(images)[0].tensor;
  EXPECT_GE(signal_to_noise_db(want, got), 60.0);
}

INSTANTIATE_TEST_SUITE_P(Models, CudaEngine, ::testing::Values("cnn.pb", "separable.pb"), [](const auto& info) {
  return std::string(info.param).substr(0, std::string(info.param).find('.'));
});

// A text classifier of two transformer blocks.
TEST(CudaTransformer, AttendsAsTheHostDoes) {
  if (!gpu_absence().empty()) GTEST_SKIP() << gpu_absence();
  const Model model = Model::load(TFE_SOURCE_DIR "/examples/tasks/bytes.pb");
  const Engine host = convert(model, options_for("cpu", "fp32", nullptr));
  Batch batch;
  for (const TensorSpec& spec : host.inputs()) {
    Shape shape = spec.shape;
    shape[0] = 5;
    Tensor tokens(spec.dtype, shape);
    ASSERT_EQ(spec.dtype, DType::S32);
    for (int64_t i = 0; i < tokens.elements(); ++i)
      tokens.mutable_as<int32_t>()[i] = static_cast<int32_t>(i * 37 % 251);
    batch.push_back({spec.name, tokens});
  }
  const Tensor want = host.run(batch)[0].tensor;
  for (const std::string precision : {"fp32", "fp16"}) {
    const Engine gpu = convert(model, options_for("cuda", precision, nullptr));
    EXPECT_GE(signal_to_noise_db(want, gpu.run(batch)[0].tensor), 40.0) << precision;
    int attention = 0;
    for (const LayerProfile& layer : gpu.profile(batch, 1)) {
      attention += layer.op == "Attention" ? 1 : 0;
      EXPECT_TRUE(layer.backend == "cuda") << layer.op << " '" << layer.name << "' runs on the host";
    }
    EXPECT_EQ(attention > 0, precision == "fp16");
  }
}

class CudaMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!gpu_absence().empty()) GTEST_SKIP() << gpu_absence();
  }
  void TearDown() override {
    if (gpu_absence().empty()) set_gpu_memory(0, {});
  }
};

// Untimed, so that nothing but the engine's own memory is ever asked for.
ConvertOptions untimed() { return options_for("cuda", "fp32", nullptr); }

TEST_F(CudaMemory, ReportIsWhatIsAllocated) {
  const Model model = Model::load(kDigits + "cnn.pb");
  const uint64_t before = gpu_memory_stats(0).total_in_use_bytes;
  {
    const Engine engine = convert(model, untimed());
    const MemoryReport report = engine.memory();
    EXPECT_EQ(gpu_memory_stats(0).total_in_use_bytes - before, report.weights_bytes) << "before the first context";
    engine.prepare({Shape{1, 8, 8, 1}});
    EXPECT_EQ(gpu_memory_stats(0).total_in_use_bytes - before, report.peak_bytes) << "with one context";
  }
  EXPECT_EQ(gpu_memory_stats(0).total_in_use_bytes, before) << "once the engine is gone";
}

TEST_F(CudaMemory, ALimitOfOneByteTooFewIsRefusedAndAllStaysUsable) {
  const Model model = Model::load(kDigits + "cnn.pb");
  const auto images = test_images(1);
  uint64_t needed = 0;
  Tensor want;
  {
    const uint64_t before = gpu_memory_stats(0).total_in_use_bytes;
    const Engine engine = convert(model, untimed());
    want = engine.run(images)[0].tensor;
    needed = gpu_memory_stats(0).total_in_use_bytes - before;
  }
  GpuMemoryOptions limit;
  limit.limit_bytes = needed - 1;
  set_gpu_memory(0, limit);
  EXPECT_EQ(gpu_memory_limit_bytes(0), needed - 1);
  {
    const auto attempt = [&] {
      const Engine engine = convert(model, untimed());
      return engine.run(images)[0].tensor;
    };
    EXPECT_THROW(attempt(), OutOfMemory);
    EXPECT_EQ(gpu_memory_stats(0).total_in_use_bytes, 0u);
  }
  limit.limit_bytes = needed;
  set_gpu_memory(0, limit);
  const Engine engine = convert(model, untimed());
  EXPECT_GE(signal_to_noise_db(want, engine.run(images)[0].tensor), 60.0);
}

TEST_F(CudaMemory, AFractionBoundsWhatTheDriverCounts) {
  size_t free_before = 0, total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free_before, &total), cudaSuccess);
  for (const double fraction : {0.3, 0.05}) {
    GpuMemoryOptions limit;
    limit.per_process_gpu_memory_fraction = fraction;
    set_gpu_memory(0, limit);
    const auto allowed = static_cast<uint64_t>(fraction * static_cast<double>(total));
    EXPECT_EQ(gpu_memory_limit_bytes(0), allowed);
    limit.allow_growth = false;
    set_gpu_memory(0, limit);
    size_t free_now = 0;
    ASSERT_EQ(cudaMemGetInfo(&free_now, &total), cudaSuccess);
    const double taken = static_cast<double>(free_before) - static_cast<double>(free_now);
    EXPECT_LE(taken, static_cast<double>(allowed) + 64e6) << fraction;
    EXPECT_GE(taken, 0.98 * static_cast<double>(allowed)) << fraction;
    set_gpu_memory(0, {});
  }
}

TEST_F(CudaMemory, WrongFractionsAreRefused) {
  for (const double fraction : {0.0, -1.0, 1.5}) {
    GpuMemoryOptions options;
    options.per_process_gpu_memory_fraction = fraction;
    EXPECT_THROW(set_gpu_memory(0, options), InvalidArgument) << fraction;
  }
}

using CudaTensors = CudaMemory;

// Device memory that frees itself.
struct Block {
  explicit Block(size_t bytes) { EXPECT_EQ(cudaMalloc(&data, bytes), cudaSuccess); }
  ~Block() { cudaFree(data); }
  void* data = nullptr;
};

TEST_F(CudaTensors, StayOnTheDeviceAndFollowTheCallersStream) {
  const Model model = Model::load(kDigits + "cnn.pb");
  const Engine engine = convert(model, untimed());
  const auto images = test_images(1);
  const Tensor& image = images[0].tensor;
  const Tensor want = engine.run(images)[0].tensor;
  cudaStream_t streams[2] = {};
  for (cudaStream_t& stream : streams)
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  const Block in(image.bytes()), first(want.bytes()), second(want.bytes());
  ASSERT_EQ(cudaMemcpy(in.data, image.data(), image.bytes(), cudaMemcpyHostToDevice), cudaSuccess);
  for (int round = 0; round < 3; ++round) {
    engine.run_on_device({image.shape()}, {in.data}, {first.data}, streams[0]);
    engine.run_on_device({image.shape()}, {in.data}, {second.data}, streams[1]);
  }
  for (cudaStream_t stream : streams) ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  for (const Block* block : {&first, &second}) {
    Tensor got(DType::F32, want.shape());
    ASSERT_EQ(cudaMemcpy(got.mutable_data(), block->data, got.bytes(), cudaMemcpyDeviceToHost), cudaSuccess);
    EXPECT_GE(signal_to_noise_db(want, got), 100.0);
  }
  EXPECT_THROW(engine.run_on_device({image.shape()}, {static_cast<char*>(in.data) + 4}, {first.data}), InvalidArgument);
  for (cudaStream_t stream : streams) cudaStreamDestroy(stream);
}

TEST_F(CudaTensors, ThreadsShareTheWeights) {
  const Model model = Model::load(kDigits + "cnn.pb");
  const Engine engine = convert(model, untimed());
  const auto images = test_images(1);
  const Tensor want = engine.run(images)[0].tensor;
  std::vector<std::thread> threads;
  std::vector<double> worst(4, 1e9);
  for (double& db : worst) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) db = std::min(db, signal_to_noise_db(want, engine.run(images)[0].tensor));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const double db : worst) EXPECT_GE(db, 100.0);
  EXPECT_EQ(gpu_memory_stats(0).in_use_bytes[0], engine.memory().weights_bytes);
}

TEST(CudaSeveralGpus, EachRunsAnEngineOfItsOwn) {
  if (!gpu_absence().empty()) GTEST_SKIP() << gpu_absence();
  const size_t count = gpus().size();
  if (count < 2) GTEST_SKIP() << "this machine has one GPU";
  const Model model = Model::load(kDigits + "cnn.pb");
  const auto images = test_images(16);
  std::vector<Engine> engines;
  std::vector<uint64_t> before;
  for (size_t i = 0; i < count; ++i) {
    const int index = static_cast<int>(i);
    before.push_back(gpu_memory_stats(index).total_in_use_bytes);
    engines.push_back(convert(model, options_for("cuda:" + std::to_string(index), "fp32", nullptr)));
    EXPECT_EQ(engines.back().device(), "cuda:" + std::to_string(index));
  }
  const Tensor want = engines[0].run(images)[0].tensor;
  std::vector<std::thread> threads;
  std::vector<double> worst(count, 1e9);
  for (size_t i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      for (int run = 0; run < 20; ++run) {
        worst[i] = std::min(worst[i], signal_to_noise_db(want, engines[i].run(images)[0].tensor));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < count; ++i) {
    EXPECT_GE(worst[i], 60.0) << "GPU " << i;
    // Beside what the report counts, the GPU's side of the host's tensors, each in whole pieces of 256 bytes.
    const auto side = [](const Tensor& tensor) { return (tensor.bytes() + 255) / 256 * 256; };
    EXPECT_EQ(gpu_memory_stats(static_cast<int>(i)).total_in_use_bytes - before[i],
              engines[i].memory().peak_bytes + side(images[0].tensor) + side(want));
  }
}

}  // namespace
}  // namespace tfengine
