// SPDX-License-Identifier: Apache-2.0
// tfengine-gpu-bench ENGINE.tfe IMAGES.npy BATCH...: an engine on the first GPU. For each batch size: what planning took, the time of a
// run whose tensors stay on the GPU and of one from and to the host's memory, memory, and how far its results are from the
// same engine's on the host. At the end the engine is saved with its plans and loaded again. One line of JSON each.
#include <cuda_runtime_api.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tfengine/data.h"
#include "tfengine/engine.h"
#include "tfengine/gpu.h"

namespace {

using namespace tfengine;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void check(cudaError_t status) {
  if (status == cudaSuccess) return;
  fmt::print(stderr, "CUDA: {}\n", cudaGetErrorString(status));
  std::exit(1);
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// The file's images, again and again.
Tensor images_of(const std::string& path, const Shape& shape) {
  DataOptions options;
  options.batch_size = 1;
  const auto source = open_data(path, options);
  Tensor tensor(DType::F32, shape);
  const auto image = static_cast<size_t>(shape.elements() / shape[0]);
  for (int64_t n = 0; n < shape[0]; ++n) {
    Batch batch;
    if (!source->next(batch)) {
      source->rewind();
      source->next(batch);
    }
    std::copy_n(batch.at(0).tensor.as<float>(), image, tensor.mutable_as<float>() + static_cast<size_t>(n) * image);
  }
  return tensor;
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

double signal_to_noise_db(const Tensor& expected, const Tensor& actual) {
  double signal = 0.0, noise = 1e-30;
  for (int64_t i = 0; i < expected.elements(); ++i) {
    const double x = expected.as<float>()[i], d = x - actual.as<float>()[i];
    signal += x * x;
    noise += d * d;
  }
  return 10.0 * std::log10(signal / noise);
}

// Of probabilities: the logits up to a constant in each row.
Tensor centred_logs(const Tensor& probabilities) {
  Tensor logs(DType::F32, probabilities.shape());
  const int64_t classes = probabilities.shape().back();
  for (int64_t n = 0; n < probabilities.elements() / classes; ++n) {
    const float* from = probabilities.as<float>() + n * classes;
    float* to = logs.mutable_as<float>() + n * classes;
    double sum = 0.0;
    for (int64_t c = 0; c < classes; ++c) sum += to[c] = std::log(std::max(from[c], 1e-30f));
    for (int64_t c = 0; c < classes; ++c) to[c] -= static_cast<float>(sum / static_cast<double>(classes));
  }
  return logs;
}

double on_device_ms(const Engine& engine, const Tensor& input, size_t output_bytes) {
  void *in = nullptr, *out = nullptr;
  check(cudaMalloc(&in, input.bytes()));
  check(cudaMalloc(&out, output_bytes));
  check(cudaMemcpy(in, input.data(), input.bytes(), cudaMemcpyHostToDevice));
  cudaStream_t stream = nullptr;
  cudaEvent_t begin = nullptr, end = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  check(cudaEventCreate(&begin));
  check(cudaEventCreate(&end));
  const auto run = [&] { engine.run_on_device({input.shape()}, {in}, {out}, stream); };
  for (int i = 0; i < 20; ++i) run();
  check(cudaStreamSynchronize(stream));
  std::vector<double> times;
  for (int round = 0; round < 30; ++round) {
    constexpr int kRuns = 10;
    check(cudaEventRecord(begin, stream));
    for (int i = 0; i < kRuns; ++i) run();
    check(cudaEventRecord(end, stream));
    check(cudaEventSynchronize(end));
    float ms = 0.0f;
    check(cudaEventElapsedTime(&ms, begin, end));
    times.push_back(static_cast<double>(ms) / kRuns);
  }
  check(cudaFree(in));
  check(cudaFree(out));
  return median(times);
}

void measure(const Engine& engine, const Engine* host, const std::string& images, int64_t batch) {
  Shape shape = engine.inputs().at(0).shape;
  shape[0] = batch;
  const auto start = Clock::now();
  engine.prepare({shape});
  const double planning_ms = ms_since(start);
  const Tensor input = images_of(images, shape);
  const std::vector<NamedTensor> inputs = {{"", input}};
  std::vector<NamedTensor> got = engine.run(inputs);
  std::vector<void*> addresses = {got[0].tensor.mutable_data()};
  std::vector<double> host_ms;
  for (int i = 0; i < 20; ++i) {
    const auto begin = Clock::now();
    engine.run_into(inputs, addresses);
    host_ms.push_back(ms_since(begin));
  }
  const double device_ms = on_device_ms(engine, input, got[0].tensor.bytes());
  const MemoryReport memory = engine.memory({shape});
  const AllocatorStats stats = gpu_memory_stats(0);
  fmt::print(R"({{"batch":{},"device_ms":{:.4f},"from_host_ms":{:.3f},"images_per_s":{:.0f},"planning_ms":{:.0f},)",
             batch, device_ms, median(host_ms), 1e3 * static_cast<double>(batch) / device_ms, planning_ms);
  fmt::print(R"("weights":{},"activations":{},"workspace":{},"in_use":{},"peak":{})", memory.weights_bytes,
             memory.activation_bytes, memory.workspace_bytes, stats.total_in_use_bytes, stats.total_peak_bytes);
  if (host != nullptr) {
    const Tensor want = host->run(inputs)[0].tensor;
    fmt::print(
        R"(,"snr_db":{:.1f},"snr_of_logits_db":{:.1f},"top1_differences":{})", signal_to_noise_db(want, got[0].tensor),
        signal_to_noise_db(centred_logs(want), centred_logs(got[0].tensor)), top1_differences(want, got[0].tensor));
  }
  fmt::print("}}\n");
  std::fflush(stdout);
}

void print_layers(const Engine& engine, const std::string& images, int64_t batch) {
  Shape shape = engine.inputs().at(0).shape;
  shape[0] = batch;
  for (const LayerProfile& layer : engine.profile({{"", images_of(images, shape)}}, 10)) {
    if (layer.tactic == "in place") continue;
    fmt::print(stderr, "{:>5} {:>8.1f} {:<5} {:<10} {:<22} {:<14} {} {}\n", batch, layer.time_us, layer.precision,
               layer.backend, layer.tactic, layer.op, layer.output_shape, layer.name);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: tfengine-gpu-bench ENGINE.tfe IMAGES.npy BATCH...\n");
    return 2;
  }
  try {
    const std::string path = argv[1], images = argv[2];
    EngineOptions options;
    options.device = "cuda";
    const Engine engine = Engine::load(path, options);
    EngineOptions host_options;
    host_options.time_tactics = false;  // kernels of ours first: oneDNN's round in another order now and then
    const Engine host = Engine::load(path, host_options);
    for (int i = 3; i < argc; ++i) {
      const int64_t batch = std::atoll(argv[i]);
      measure(engine, batch <= 8 ? &host : nullptr, images, batch);
      print_layers(engine, images, batch);
    }
    const std::string kept = path + ".gpu.tfe";
    engine.save(kept);
    const auto start = Clock::now();
    const Engine again = Engine::load(kept, options);
    Shape shape = again.inputs().at(0).shape;
    shape[0] = std::atoll(argv[3]);
    again.prepare({shape});
    fmt::print(R"({{"load_ms":{:.0f},"notices":{}}})"
               "\n",
               ms_since(start), again.notices().size());
    measure(again, nullptr, images, shape[0]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
