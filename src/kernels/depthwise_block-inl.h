// SPDX-License-Identifier: Apache-2.0
// What the INT8 depthwise kernels share: one block of channels with its weights and constants, and storing its results.
#if defined(TFENGINE_KERNELS_DEPTHWISE_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_DEPTHWISE_BLOCK_INL_H_
#undef TFENGINE_KERNELS_DEPTHWISE_BLOCK_INL_H_
#else
#define TFENGINE_KERNELS_DEPTHWISE_BLOCK_INL_H_
#endif

#include <cmath>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/depthwise_layout.h"
#include "kernels/eltwise_clamp.h"
#include "kernels/eltwise_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 32 channels are a vector of AVX-512; longer vectors would not help tensors of fewer channels.
using D16 = hn::CappedTag<int16_t, 32>;
using D32 = hn::RepartitionToWide<D16>;
using DF = hn::RebindToFloat<D32>;
using V32 = hn::Vec<D32>;

// What computing rows of one channel block needs.
struct Block {
  int64_t channel, channels;  // first output channel, and how many of them exist
  const int16_t* weights[2];  // for output rows that start at an even, an odd virtual row
  const float* scale;         // times the destination's inverse scale, in the order of the accumulators
  const float* bias;
  float* acc;
  bool fast;  // results cannot leave +-2^22, and only clamping is left to do
  int16_t low, high;
};

// Widened channels `from .. from + lanes` of one pixel. Only `valid` bytes may be read.
template <class T>
HWY_INLINE hn::Vec<D16> load_pixel(const T* from, int64_t valid) {
  const hn::Rebind<T, D16> d8;
  if (HWY_LIKELY(valid >= static_cast<int64_t>(hn::Lanes(d8)))) return hn::PromoteTo(D16(), hn::LoadU(d8, from));
  HWY_ALIGN T bytes[32] = {};
  std::memcpy(bytes, from, static_cast<size_t>(std::max<int64_t>(valid, 0)));
  return hn::PromoteTo(D16(), hn::Load(d8, bytes));
}

// What store_fast keeps in registers: results are bytes, which the compiler must assume to overwrite anything in memory.
struct FastStore {
  hn::Vec<DF> scale_lo, scale_hi, bias_lo, bias_hi;
  hn::Vec<D16> low, high;
  int64_t channels;

  explicit FastStore(const Block& b) : channels(b.channels) {
    const DF df;
    const size_t n = hn::Lanes(df);
    scale_lo = hn::Load(df, b.scale), scale_hi = hn::Load(df, b.scale + n);
    bias_lo = hn::Load(df, b.bias), bias_hi = hn::Load(df, b.bias + n);
    low = hn::Set(D16(), b.low), high = hn::Set(D16(), b.high);
  }
};

// kClamp: the bounds are not those of T, at which narrowing saturates anyway.
template <bool kClamp, class T>
HWY_INLINE void store_fast(const FastStore& f, V32 lo, V32 hi, T* HWY_RESTRICT dst) {
  const D16 d16;
  const DF df;
  const hn::Rebind<T, D16> d8;
  const auto x_lo = hn::MulAdd(hn::ConvertTo(df, lo), f.scale_lo, f.bias_lo);
  const auto x_hi = hn::MulAdd(hn::ConvertTo(df, hi), f.scale_hi, f.bias_hi);
  auto x = hn::ReorderDemote2To(d16, round_small(df, x_lo), round_small(df, x_hi));
  if constexpr (kClamp) x = hn::Min(hn::Max(x, f.low), f.high);
  const auto bytes = hn::DemoteTo(d8, x);
  if (HWY_LIKELY(f.channels == static_cast<int64_t>(hn::Lanes(d16)))) {
    hn::StoreU(bytes, d8, dst);
    return;
  }
  HWY_ALIGN T all[32];
  hn::Store(bytes, d8, all);
  if (f.channels == 8) {  // half blocks are common: 24, 40, 72, 88, 120, 184, 200 channels
    std::memcpy(dst, all, 8);
  } else {
    std::memcpy(dst, all, static_cast<size_t>(f.channels));
  }
}

// What happens to the sums: kept as floats for an epilogue that does more than clamp, or stored.
enum class Store { Sums, Bytes, ClampedBytes };

// Weights of one block, interleaved like the ring, for even and, if there are any, odd starts.
void prepare_weights(const DepthwiseShape& s, int64_t out_channels, const int8_t* weights, const Block& b,
                     int64_t pairs, bool odd_starts, int16_t* even, int16_t* odd) {
  const D16 d16;
  const hn::Rebind<int8_t, D16> d8;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d16));
  const bool full = b.channels == lanes;
  for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
    const int8_t* column = weights + kx * out_channels + b.channel;
    const auto row = [&](int64_t ky) HWY_ATTR {
      if (ky >= s.kernel_h) return hn::Zero(d16);
      const int8_t* from = column + ky * s.kernel_w * out_channels;
      return full ? hn::PromoteTo(d16, hn::LoadU(d8, from)) : load_pixel(from, b.channels);
    };
    auto above = hn::Zero(d16);
    for (int64_t p = 0; p < pairs; ++p) {
      const int64_t at = (p * s.kernel_w + kx) * 2 * lanes;
      const auto first = row(2 * p), second = row(2 * p + 1);
      hn::Store(hn::InterleaveLower(d16, first, second), d16, even + at);
      hn::Store(hn::InterleaveUpper(d16, first, second), d16, even + at + lanes);
      if (odd_starts) {
        hn::Store(hn::InterleaveLower(d16, above, first), d16, odd + at);
        hn::Store(hn::InterleaveUpper(d16, above, first), d16, odd + at + lanes);
      }
      above = second;
    }
  }
}

// Scale and bias in the order of the accumulators, and whether store_fast will do.
void prepare_constants(const DepthwiseInt8Args& args, float* scale, float* bias, Block& b) {
  const Epilogue& e = *args.epilogue;
  const DF df;
  const int64_t half = static_cast<int64_t>(hn::Lanes(df)), lanes = 2 * half;
  HWY_ALIGN float in_order[2][32];
  const auto copy_channels = [&](const float* from, float* to) HWY_ATTR {
    if (b.channels == lanes) {
      for (int64_t i = 0; i < lanes; i += half) hn::Store(hn::LoadU(df, from + b.channel + i), df, to + i);
    } else {
      for (int64_t i = 0; i < lanes; ++i) to[i] = i < b.channels ? from[b.channel + i] : 0.0f;
    }
  };
  std::fill_n(in_order[0], 32, 1.0f);
  std::fill_n(in_order[1], 32, 0.0f);
  if (e.scale) copy_channels(e.scale, in_order[0]);
  if (e.bias) copy_channels(e.bias, in_order[1]);
  // No sum is above this, whatever the weights.
  const float most = (args.src_signed ? 128.0f : 255.0f) * 128.0f * static_cast<float>(args.shape->kernel_h) *
                     static_cast<float>(args.shape->kernel_w);
  bool small = true;
  const auto inv_scale = hn::Set(df, e.dst_inv_scale);
  for (int64_t i = 0; i < lanes; i += half) {
    const auto vs = hn::Mul(hn::Load(df, in_order[0] + i), inv_scale);
    const auto vb = hn::MulAdd(hn::Load(df, in_order[1] + i), inv_scale, hn::Set(df, e.dst_zero));
    hn::Store(vs, df, in_order[0] + i);
    hn::Store(vb, df, in_order[1] + i);
    const auto worst = hn::MulAdd(hn::Abs(vs), hn::Set(df, most), hn::Abs(vb));
    // 2^21 leaves a factor of 2 for the rounding of this bound itself. Not true of NaN.
    small = small && hn::AllTrue(df, hn::Lt(worst, hn::Set(df, 2097152.0f)));
  }
  // Groups of four lanes (128 bits) alternate between the lower and the upper half, as InterleaveLower and -Upper do.
  for (int64_t quad = 0; quad < lanes / 4; ++quad) {
    const int64_t at = (quad % 2) * half + quad / 2 * 4;
    std::memcpy(scale + at, in_order[0] + quad * 4, 4 * sizeof(float));
    std::memcpy(bias + at, in_order[1] + quad * 4, 4 * sizeof(float));
  }
  ClampRange range;
  b.fast = small && e.dst_elem != Elem::F32 && e.dst_inv_scale > 0 && only_clamps(e, range);
  const ClampSteps steps = b.fast ? ClampSteps(range, e.dst_elem, e.dst_inv_scale, e.dst_zero) : ClampSteps();
  b.low = steps.low;
  b.high = steps.high;
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
