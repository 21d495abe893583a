// SPDX-License-Identifier: Apache-2.0
// Speed of the INT8 convolutions on the layers of ResNet-50 and MobileNetV2 (224 x 224): every algorithm, u8 in and out; images come
// in as s8.
// Name: network/in_size x in_c -> out_c, kernel, stride / algorithm / batch / threads, cold: with other data in the caches of
// the cores, as in a network. The counter GMAC/s is of the
// convolution's own products, whatever the algorithm saves.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/conv_int8.h"
#include "kernels/parallel.h"

namespace tfengine::kernels {
namespace {

struct Layer {
  const char* network;
  int64_t size, in_c, out_c, kernel, stride;
};

constexpr Layer kLayers[] = {
    {"resnet50", 224, 3, 64, 7, 2},      {"resnet50", 56, 64, 64, 1, 1},      {"resnet50", 56, 64, 64, 3, 1},
    {"resnet50", 56, 64, 256, 1, 1},     {"resnet50", 56, 256, 64, 1, 1},     {"resnet50", 56, 256, 128, 1, 2},
    {"resnet50", 56, 256, 512, 1, 2},    {"resnet50", 28, 128, 128, 3, 1},    {"resnet50", 28, 128, 512, 1, 1},
    {"resnet50", 28, 512, 128, 1, 1},    {"resnet50", 28, 512, 256, 1, 2},    {"resnet50", 28, 512, 1024, 1, 2},
    {"resnet50", 14, 256, 256, 3, 1},    {"resnet50", 14, 256, 1024, 1, 1},   {"resnet50", 14, 1024, 256, 1, 1},
    {"resnet50", 14, 1024, 512, 1, 2},   {"resnet50", 14, 1024, 2048, 1, 2},  {"resnet50", 7, 512, 512, 3, 1},
    {"resnet50", 7, 512, 2048, 1, 1},    {"resnet50", 7, 2048, 512, 1, 1},    {"resnet50", 1, 2048, 1000, 1, 1},
    {"mobilenet_v2", 224, 3, 32, 3, 2},  {"mobilenet_v2", 112, 32, 16, 1, 1}, {"mobilenet_v2", 112, 16, 96, 1, 1},
    {"mobilenet_v2", 56, 96, 24, 1, 1},  {"mobilenet_v2", 56, 24, 144, 1, 1}, {"mobilenet_v2", 28, 144, 32, 1, 1},
    {"mobilenet_v2", 28, 32, 192, 1, 1}, {"mobilenet_v2", 14, 64, 384, 1, 1}, {"mobilenet_v2", 14, 384, 64, 1, 1},
    {"mobilenet_v2", 14, 384, 96, 1, 1}, {"mobilenet_v2", 7, 960, 160, 1, 1}, {"mobilenet_v2", 7, 160, 960, 1, 1},
    {"mobilenet_v2", 7, 960, 320, 1, 1}, {"mobilenet_v2", 7, 320, 1280, 1, 1}};

using Buffer = std::unique_ptr<void, decltype(&std::free)>;
Buffer buffer(size_t bytes) {
  Buffer b(std::aligned_alloc(64, (bytes + 63) / 64 * 64 + 64), &std::free);
  std::memset(b.get(), 0, bytes);
  return b;
}

// What the other layers of a network do between two runs of one: each core's second-level cache holds other things.
void pass_through_caches(int threads) {
  constexpr int64_t kBytes = int64_t{32} << 20;
  static std::vector<uint8_t> other(static_cast<size_t>(kBytes * 2));
  parallel_ranges(threads, threads, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin * kBytes; i < end * kBytes; i += 64) ++other[static_cast<size_t>(i)];
  });
}

void run(benchmark::State& state, const Layer& layer, ConvInt8Algo algo, int64_t batch, int threads, bool cold) {
  ConvShape s;
  s.batch = batch;
  s.in_h = s.in_w = layer.size;
  s.in_c = s.src_pixel_stride = layer.in_c;
  s.out_h = s.out_w = (layer.size + layer.stride - 1) / layer.stride;
  s.out_c = s.dst_pixel_stride = layer.out_c;
  s.kernel_h = s.kernel_w = layer.kernel;
  s.stride_h = s.stride_w = layer.stride;
  s.pad_top = s.pad_left = std::max<int64_t>(0, (s.out_h - 1) * layer.stride + layer.kernel - layer.size) / 2;

  std::mt19937 rng(static_cast<uint32_t>(layer.size));  // the same data for a layer in every run
  const auto pixels = static_cast<size_t>(batch * s.out_h * s.out_w);
  std::vector<int8_t> weights(static_cast<size_t>(layer.kernel * layer.kernel * layer.in_c * layer.out_c));
  std::normal_distribution<float> weight(0.0f, 127.0f / 3.5f);
  for (auto& w : weights) w = static_cast<int8_t>(std::clamp(weight(rng), -127.0f, 127.0f));
  const Buffer src = buffer(static_cast<size_t>(batch * s.in_h * s.in_w * layer.in_c));
  // What a ReLU leaves of a normal distribution whose largest value of 4.5 standard deviations is the range.
  std::normal_distribution<float> activation(0.0f, 255.0f / 4.5f);
  for (int64_t i = 0; i < batch * s.in_h * s.in_w * layer.in_c; ++i) {
    static_cast<uint8_t*>(src.get())[i] = static_cast<uint8_t>(std::clamp(activation(rng), 0.0f, 255.0f));
  }
  const Elem elem = layer.in_c == 3 ? Elem::S8 : Elem::U8;
  if (!conv_int8_supports(algo, s, elem, weights.data())) return state.SkipWithError("not supported");
  const Buffer dst = buffer(pixels * static_cast<size_t>(layer.out_c));
  const Buffer packed = buffer(conv_int8_packed_bytes(algo, s));
  const Buffer workspace = buffer(conv_int8_workspace_bytes(algo, s, elem, threads));
  conv_int8_pack(algo, s, weights.data(), packed.get());
  const std::vector<float> scale(static_cast<size_t>(layer.out_c), 1e-3f);
  const std::vector<float> bias(static_cast<size_t>(layer.out_c), 1.0f);
  Epilogue e;
  e.scale = scale.data();
  e.bias = bias.data();
  e.after_add.kind = ActKind::Relu;
  e.dst_elem = Elem::U8;

  for (auto _ : state) {
    if (cold) pass_through_caches(threads);
    const auto start = std::chrono::steady_clock::now();
    conv_int8_run(algo, s, elem, src.get(), packed.get(), e, dst.get(), workspace.get(), threads);
    benchmark::ClobberMemory();
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  const double products = static_cast<double>(pixels) * static_cast<double>(weights.size());
  state.counters["GMAC/s"] = benchmark::Counter(products * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

void register_all() {
  for (const Layer& layer : kLayers) {
    for (const ConvInt8Algo algo : kConvInt8Algos) {
      if (algo == ConvInt8Algo::Winograd && (layer.kernel != 3 || layer.stride != 1)) continue;
      for (const int64_t batch : {1, 16}) {
        for (const int threads : {1, 2}) {
          const std::string name = std::string(layer.network) + "/" + std::to_string(layer.size) + "x" +
                                   std::to_string(layer.in_c) + "->" + std::to_string(layer.out_c) + ",k" +
                                   std::to_string(layer.kernel) + "s" + std::to_string(layer.stride) + "/" +
                                   conv_int8_name(algo) + "/b" + std::to_string(batch) + "/t" + std::to_string(threads);
          benchmark::RegisterBenchmark(name.c_str(), run, layer, algo, batch, threads, false)->UseManualTime();
          benchmark::RegisterBenchmark((name + "/cold").c_str(), run, layer, algo, batch, threads, true)
              ->UseManualTime();
        }
      }
    }
  }
}

}  // namespace
}  // namespace tfengine::kernels

int main(int argc, char** argv) {
  tfengine::kernels::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
