// SPDX-License-Identifier: Apache-2.0
// The depthwise layers of MobileNetV2 at 224 x 224, INT8 and float. Arguments: image side, channels, stride, batch, threads.
#include <benchmark/benchmark.h>

#include <vector>

#include "kernels/depthwise.h"

namespace tfengine::kernels {
namespace {

DepthwiseShape layer(const benchmark::State& state) {
  DepthwiseShape s;
  s.in_h = s.in_w = state.range(0);
  s.channels = s.src_pixel_stride = s.dst_pixel_stride = state.range(1);
  s.stride_h = s.stride_w = state.range(2);
  s.batch = state.range(3);
  s.kernel_h = s.kernel_w = 3;
  s.out_h = s.out_w = s.in_h / s.stride_h;
  s.pad_top = s.pad_left = s.stride_h == 1 ? 1 : 0;
  return s;
}

void* aligned(std::vector<uint8_t>& memory, size_t bytes) {
  memory.assign(bytes + 64, 1);
  return memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
}

template <bool kInt8>
void depthwise(benchmark::State& state) {
  const DepthwiseShape s = layer(state);
  const int threads = static_cast<int>(state.range(4));
  const size_t elem = kInt8 ? 1 : 4, channels = static_cast<size_t>(s.channels);
  std::vector<uint8_t> src_memory, dst_memory, packed_memory, workspace_memory;
  void* src = aligned(src_memory, static_cast<size_t>(s.batch * s.in_h * s.in_w) * channels * elem);
  void* dst = aligned(dst_memory, static_cast<size_t>(s.batch * s.out_h * s.out_w) * channels * elem);
  void* packed = aligned(packed_memory, 9 * channels * elem);
  const size_t bytes = kInt8 ? depthwise_int8_workspace_bytes(s, threads) : depthwise_f32_workspace_bytes(s, threads);
  void* workspace = aligned(workspace_memory, bytes);
  const std::vector<float> scale(channels, 0.01f), bias(channels, 0.1f);
  Epilogue e;
  e.scale = kInt8 ? scale.data() : nullptr, e.bias = bias.data();
  e.before_add = {ActKind::Clip, 0, 6};
  e.dst_elem = kInt8 ? Elem::U8 : Elem::F32;
  e.dst_inv_scale = 255.0f / 6;
  for (auto _ : state) {
    if (kInt8) {
      depthwise_int8_run(s, Elem::U8, src, packed, e, dst, workspace, threads);
    } else {
      depthwise_f32_run(s, static_cast<const float*>(src), packed, e, dst, workspace, threads);
    }
    benchmark::DoNotOptimize(dst);
  }
  state.counters["GMAC/s"] =
      benchmark::Counter(static_cast<double>(s.batch * s.out_h * s.out_w * s.channels * 9),
                         benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

void mobilenet_v2(benchmark::internal::Benchmark* b) {
  b->ArgNames({"side", "channels", "stride", "batch", "threads"});
  for (int64_t threads : {1, 2}) {
    b->Args({112, 32, 1, 1, threads})
        ->Args({112, 96, 2, 1, threads})
        ->Args({56, 144, 1, 1, threads})
        ->Args({56, 144, 2, 1, threads})
        ->Args({28, 192, 1, 1, threads})
        ->Args({28, 192, 2, 1, threads})
        ->Args({14, 384, 1, 1, threads})
        ->Args({14, 576, 1, 1, threads})
        ->Args({14, 576, 2, 1, threads})
        ->Args({7, 960, 1, 1, threads});
  }
  b->UseRealTime();
}
BENCHMARK_TEMPLATE(depthwise, true)->Apply(mobilenet_v2);
BENCHMARK_TEMPLATE(depthwise, false)->Apply(mobilenet_v2);

}  // namespace
}  // namespace tfengine::kernels

BENCHMARK_MAIN();
