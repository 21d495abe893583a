// SPDX-License-Identifier: Apache-2.0
// Exact 3x3 convolution with a quarter of the multiplications: operands are 16 bits wide anyway, which is room for the
// transforms (conv_winograd_math-inl.h).
#include <algorithm>
#include <vector>

#include "kernels/conv_int8_kernel.h"
#include "kernels/conv_winograd_plan.h"
#include "kernels/cpu.h"
#include "kernels/pack.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_winograd_int8.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_winograd-inl.h"
#include "kernels/gemm_pairs-inl.h"

#ifndef TFENGINE_KERNELS_CONV_WINOGRAD_INT8_ONCE
#define TFENGINE_KERNELS_CONV_WINOGRAD_INT8_ONCE
namespace tfengine::kernels {

using WinogradCall = ConvInt8Part<WinogradPlan>;

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {

template <bool kDot>
struct WinogradInt8Traits {
  using Mid = int16_t;
  using Sum = int32_t;
  using Transforms = IntegerTransforms;
  static constexpr int64_t kDepth = kWinogradInt8.depth;
  static constexpr int kBlocks = kColumnVecs == 1 ? kWinogradBlocks : 1;
  template <int kTogether>
  static HWY_INLINE void multiply(const WinogradProduct<Mid, Sum>& m) {
    constexpr int kVecs = kColumnVecs * kTogether;
    // Of AVX-512's 32 registers 28 hold sums.
    constexpr int kRows = kColumnVecs == 1 ? 14 : kTileRows;
    strided_rows_of_pairs<kVecs, kRows, kDot>(
        m.tiles, {m.source, m.source_tile_stride, m.steps, m.weights, 2 * kAccLanes * kVecs, m.sums, m.tile_stride,
                  kColumnVecs == 1 ? m.block_stride : kAccLanes, m.add});
  }
};

template <bool kDot, class Src>
void conv_winograd_int8_typed(const WinogradCall& a) {
  conv_winograd_part<WinogradInt8Traits<kDot>>(
      WinogradArgs<Src, int8_t>{a.plan, reinterpret_cast<const Src*>(a.src), a.packed, a.epilogue, a.dst, a.chunk_begin,
                                a.chunk_end, a.block_begin, a.block_end, a.scratch, a.ahead});
}

template <bool kDot>
void conv_winograd_int8_with(const WinogradCall& a) {
  a.src_signed ? conv_winograd_int8_typed<kDot, int8_t>(a) : conv_winograd_int8_typed<kDot, uint8_t>(a);
}

void conv_winograd_int8(const WinogradCall& a) {
#if HWY_TARGET == HWY_AVX3
  if (has_dot()) return conv_winograd_int8_with<true>(a);
#endif
  conv_winograd_int8_with<false>(a);
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
HWY_EXPORT(conv_winograd_int8);

namespace {

// Whether every possible sum fits the 26 bits that the transforms keep.
bool sums_fit(const ConvShape& s, Elem src_elem, const int8_t* weights) {
  constexpr int64_t kLimit = int64_t{1} << 25;
  // Beyond this a channel's sum of magnitudes may leave 32 bits, and no product of that size is worth transforming.
  if (s.in_c > int64_t{1} << 20) return false;
  const auto channels = static_cast<size_t>(s.out_c);
  std::vector<int32_t> positive(channels, 0), negative(channels, 0);
  for (int64_t row = 0; row < 9 * s.in_c; ++row, weights += s.out_c) {
    for (size_t oc = 0; oc < channels; ++oc) {
      positive[oc] += std::max<int>(weights[oc], 0);
      negative[oc] -= std::min<int>(weights[oc], 0);
    }
  }
  for (size_t oc = 0; oc < channels; ++oc) {
    const int64_t largest = src_elem == Elem::S8 ? int64_t{128} * (positive[oc] + negative[oc])
                                                 : int64_t{255} * std::max(positive[oc], negative[oc]);
    if (largest >= kLimit) return false;
  }
  return true;
}

bool supports(const ConvShape& s, Elem src_elem, const int8_t* weights) {
  return is_winograd_shape(s) && (weights == nullptr || sums_fit(s, src_elem, weights));
}

size_t packed_bytes(const ConvShape& s) {
  const WinogradPlan p(s, kWinogradInt8, 1);
  return static_cast<size_t>(p.oc_blocks * p.block_weights());
}

// [block of outputs][pair of inputs][tap][output][input of the pair]
void pack(const ConvShape& s, const int8_t* weights, int8_t* packed) {
  for (int64_t oc0 = 0; oc0 < s.out_c; oc0 += kOcBlock) {
    for (int64_t ic0 = 0; ic0 < s.in_c; ic0 += 2) {
      for (int64_t tap = 0; tap < 9; ++tap) {
        const int8_t* rows = weights + (tap * s.in_c + ic0) * s.out_c + oc0;
        const int64_t channels = std::min(kOcBlock, s.out_c - oc0);
        packed = interleave_rows(rows, s.out_c, std::min<int64_t>(2, s.in_c - ic0), channels, 2, packed);
      }
    }
  }
}

size_t workspace_bytes(const ConvShape& s, Elem, int threads) {
  return WinogradScratch(WinogradPlan(s, kWinogradInt8, threads)).bytes * static_cast<size_t>(std::max(threads, 1));
}

void run(const ConvShape& s, const ConvInt8Call& call) {
  const WinogradPlan p(s, kWinogradInt8, call.threads);
  for_each_conv_part(p, call, p.chunks, p.oc_blocks, WinogradScratch(p).bytes, [](const WinogradCall& args) {
    HWY_DYNAMIC_DISPATCH(conv_winograd_int8)(args);
  });
}

}  // namespace

const ConvInt8Kernel kConvWinogradInt8 = {"winograd", supports, packed_bytes, pack, workspace_bytes, run};

}  // namespace tfengine::kernels
#endif
