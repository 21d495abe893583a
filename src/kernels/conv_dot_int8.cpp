// SPDX-License-Identifier: Apache-2.0
// Convolution as a product of a matrix of pixels with the weights. A 1x1 convolution reads its source in place; others
// gather the bytes under each output pixel first, which costs little beside as many products as such layers have. What
// makes it faster than oneDNN's kernels inside a network is that it fetches weights ahead (ahead.h), and that results leave
// the registers finished.
#include "kernels/conv_dot_plan.h"
#include "kernels/conv_int8_kernel.h"
#include "kernels/cpu.h"
#include "kernels/epilogue_tile.h"
#include "kernels/pack.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_dot_int8.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_dot_finish-inl.h"
#include "kernels/conv_dot_gather-inl.h"
#include "kernels/gemm_dot-inl.h"

#ifndef TFENGINE_KERNELS_CONV_DOT_INT8_ONCE
#define TFENGINE_KERNELS_CONV_DOT_INT8_ONCE
namespace tfengine::kernels {

using DotArgs = ConvInt8Part<DotPlan>;

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3
// False where the epilogue is not one for registers.
inline bool finish_from_registers(const DotArgs& a, const StridedDots& t, int64_t rows, int64_t first_pixel,
                                  int64_t channel, int64_t channels, Ahead& ahead) {
  const auto store = [&](auto* type) HWY_ATTR {
    using Store = std::remove_pointer_t<decltype(type)>;
    const ClampStep<DotFloats> step(DotFloats(), *a.epilogue);
    const PanelFactors factors(step, *a.epilogue, channel, channels);
    const Store finish(&factors, step, *a.epilogue, a.dst, a.plan->shape.dst_pixel_stride, first_pixel, channel,
                       channels);
    if constexpr (Store::kIsWhole) {
      rows_of_dots<kDotVecs>(rows, t, finish, ahead);
    } else {
      rows_of_few_dots(channels, rows, t, finish, ahead);
    }
  };
  if (channels == DotPlan::kPanel) return with_store_bytes<true>(*a.epilogue, store);
  return channels <= (kDotVecs - 1) * kDotColumns && with_store_bytes<false>(*a.epilogue, store);
}
#endif

// `rows` rows of one panel: sums, then results.
inline void finish_panel(const DotArgs& a, StridedDots t, int64_t rows, int64_t first_pixel, int64_t panel,
                         Ahead& ahead) {
  const DotPlan& p = *a.plan;
  const int64_t channel = panel * DotPlan::kPanel;
  const int64_t channels = std::min(DotPlan::kPanel, p.shape.out_c - channel);
#if HWY_TARGET == HWY_AVX3
  if (finish_from_registers(a, t, rows, first_pixel, channel, channels, ahead)) return;
#endif
  constexpr int64_t kGroup = 8 * dot_rows(kDotVecs);  // whose sums stay in the first-level cache
  HWY_ALIGN int32_t acc[kGroup * DotPlan::kPanel];
  const int64_t groups = ceil_div(rows, kGroup);
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t n = rows * (group + 1) / groups - rows * group / groups;
    rows_of_dots_wide(channels, n, t, {acc, DotPlan::kPanel}, ahead);
    finish_tile(*a.epilogue, EpilogueTile<int32_t>{acc, DotPlan::kPanel, n, channels, first_pixel, channel, a.dst,
                                                   p.shape.dst_pixel_stride});
    first_pixel += n;
    t.source += n * t.row_stride;
  }
}

// What the sums of a panel begin with. A signed byte x is multiplied as x + 128: minus the sum of 128 times the weights.
inline void begin_panel(const DotPlan& p, int64_t panel, const int8_t* weights, const uint8_t* constant_row,
                        int32_t* begin) {
  std::fill_n(begin, DotPlan::kPanel, 0);
  if (!p.is_signed) return;
  alignas(64) static constexpr int32_t kZeros[DotPlan::kPanel] = {};
  HWY_ALIGN int32_t sums[DotPlan::kPanel] = {};
  const int64_t columns = std::min(DotPlan::kPanel, p.shape.out_c - panel * DotPlan::kPanel);
  Ahead none;
  rows_of_dots_wide(columns, 1, {constant_row, 0, p.quads, weights, p.block_bytes(), kZeros}, {sums, 0}, none);
  for (int64_t i = 0; i < DotPlan::kPanel; ++i) begin[i] = -sums[i];
}

inline uint8_t* scratch_of(const DotArgs& a) { return reinterpret_cast<uint8_t*>(a.scratch); }

// The rows of a chunk, and how far apart they are.
struct SourceRows {
  const uint8_t* begin;
  int64_t stride;
};

inline SourceRows source_rows(const DotArgs& a, int64_t first, int64_t rows) {
  const DotPlan& p = *a.plan;
  uint8_t* gathered = scratch_of(a);
  switch (p.source) {
    case DotPlan::Source::InPlace:
      return {a.src + first * p.shape.src_pixel_stride, p.shape.src_pixel_stride};
    case DotPlan::Source::Pixels:
      gather_pixels(p, a.src, first, rows, gathered);
      break;
    case DotPlan::Source::Runs:
      gather_runs(p, a.src, first, rows, gathered + p.gathered_bytes(), gathered);
      break;
  }
  return {gathered, p.pitch()};
}

void conv_dot(const DotArgs& a) {
  const DotPlan& p = *a.plan;
  const int64_t panel_blocks = DotPlan::kPanel / kOcBlock;
  const auto panel_weights = [&](int64_t panel) {
    const int64_t block = panel * panel_blocks;
    const int64_t blocks = std::min(panel_blocks, p.oc_blocks - block);
    return Ahead{reinterpret_cast<const std::byte*>(a.packed + block * p.block_bytes()), blocks * p.block_bytes()};
  };
  uint8_t* constant_row = scratch_of(a) + p.gathered_bytes() + p.strips_bytes();
  std::fill_n(constant_row, p.constant_row_bytes(), kSignFlip);
  for (int64_t chunk = a.chunk_begin; chunk < a.chunk_end; ++chunk) {
    const int64_t first = chunk * p.chunk_rows;
    const int64_t rows = std::min(p.chunk_rows, p.rows - first);
    const SourceRows source = source_rows(a, first, rows);
    for (int64_t panel = a.block_begin; panel < a.block_end; ++panel) {
      Ahead ahead = a.ahead;
      if (panel + 1 < a.block_end) {
        ahead = panel_weights(panel + 1);
      } else if (chunk + 1 < a.chunk_end) {
        ahead = panel_weights(a.block_begin);
      }
      const int8_t* weights = a.packed + panel * panel_blocks * p.block_bytes();
      HWY_ALIGN int32_t begin[DotPlan::kPanel];
      begin_panel(p, panel, weights, constant_row, begin);
      finish_panel(a, {source.begin, source.stride, p.quads, weights, p.block_bytes(), begin}, rows, first, panel,
                   ahead);
    }
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
HWY_EXPORT(conv_dot);

namespace {

bool supports(const ConvShape& s, Elem, const int8_t*) { return s.groups == 1 && has_dot(); }

size_t packed_bytes(const ConvShape& s) {
  const DotPlan p(s, false, 1);
  return static_cast<size_t>(p.oc_blocks * p.block_bytes());
}

// [block of outputs][quad of inputs][output][input of the quad]
void pack(const ConvShape& s, const int8_t* weights, int8_t* packed) {
  for (int64_t oc0 = 0; oc0 < s.out_c; oc0 += kOcBlock) {
    packed = interleave_rows(weights + oc0, s.out_c, s.kernel_h * s.kernel_w * s.in_c,
                             std::min(kOcBlock, s.out_c - oc0), 4, packed);
  }
}

size_t workspace_bytes(const ConvShape& s, Elem src_elem, int threads) {
  return DotPlan(s, src_elem == Elem::S8, threads).scratch_bytes() * static_cast<size_t>(std::max(threads, 1));
}

void run(const ConvShape& s, const ConvInt8Call& call) {
  const DotPlan p(s, call.src_elem == Elem::S8, call.threads);
  for_each_conv_part(p, call, p.chunks, p.panels, p.scratch_bytes(), [](const DotArgs& args) {
    HWY_DYNAMIC_DISPATCH(conv_dot)(args);
  });
}

}  // namespace

const ConvInt8Kernel kConvDotInt8 = {"dot", supports, packed_bytes, pack, workspace_bytes, run};

}  // namespace tfengine::kernels
#endif
