// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv_winograd_f32.h"

#include <algorithm>

#include "kernels/conv_winograd_plan.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_winograd_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_winograd-inl.h"
#include "kernels/gemm_f32-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {

struct WinogradF32Traits {
  using Mid = float;
  using Sum = float;
  using Transforms = FloatTransforms;
  static constexpr int64_t kDepth = kWinogradF32.depth;
  static constexpr int kBlocks = kFloatVecs == 1 ? kWinogradBlocks : 1;
  template <int kTogether>
  static HWY_INLINE void multiply(const WinogradProduct<Mid, Sum>& m) {
    rows_of_floats<kFloatVecs * kTogether>(m.tiles,
                                           {m.source, m.source_tile_stride, m.steps, m.weights, m.sums, m.tile_stride,
                                            kFloatVecs == 1 ? m.block_stride : kFloatLanes, m.add});
  }
};

void conv_winograd_f32_part(const WinogradPlan& p, const float* src, const float* packed, const Epilogue& e, void* dst,
                            const GridPart& part, std::byte* scratch) {
  conv_winograd_part<WinogradF32Traits>(WinogradArgs<float, float>{
      &p, src, packed, &e, dst, part.chunk_begin, part.chunk_end, part.block_begin, part.block_end, scratch});
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
HWY_EXPORT(conv_winograd_f32_part);

bool conv_winograd_f32_supports(const ConvShape& s) { return is_winograd_shape(s); }

size_t conv_winograd_f32_packed_bytes(const ConvShape& s) {
  const WinogradPlan p(s, kWinogradF32, 1);
  return static_cast<size_t>(p.oc_blocks * p.block_weights()) * sizeof(float);
}

// [block of outputs][input][tap][output]
void conv_winograd_f32_pack(const ConvShape& s, const float* weights, void* packed) {
  auto* to = static_cast<float*>(packed);
  for (int64_t oc0 = 0; oc0 < s.out_c; oc0 += kOcBlock) {
    const int64_t channels = std::min(kOcBlock, s.out_c - oc0);
    for (int64_t ic = 0; ic < s.in_c; ++ic) {
      for (int64_t tap = 0; tap < 9; ++tap, to += kOcBlock) {
        std::copy_n(weights + (tap * s.in_c + ic) * s.out_c + oc0, channels, to);
        std::fill(to + channels, to + kOcBlock, 0.0f);
      }
    }
  }
}

size_t conv_winograd_f32_workspace_bytes(const ConvShape& s, int threads) {
  return WinogradScratch(WinogradPlan(s, kWinogradF32, threads)).bytes * static_cast<size_t>(std::max(threads, 1));
}

void conv_winograd_f32_run(const ConvShape& s, const float* src, const void* packed, const Epilogue& epilogue,
                           void* dst, void* workspace, int threads) {
  const WinogradPlan p(s, kWinogradF32, threads);
  const size_t scratch_bytes = WinogradScratch(p).bytes;
  for_each_grid_part(p.threads_m, p.threads_n, p.chunks, p.oc_blocks, threads, [&](const GridPart& part) {
    HWY_DYNAMIC_DISPATCH(conv_winograd_f32_part)
    (p, src, static_cast<const float*>(packed), epilogue, dst, part,
     static_cast<std::byte*>(workspace) + static_cast<size_t>(part.index) * scratch_bytes);
  });
}

}  // namespace tfengine::kernels
#endif
