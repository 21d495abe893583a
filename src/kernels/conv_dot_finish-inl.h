// SPDX-License-Identifier: Apache-2.0
// Results straight from the registers that hold a tile's sums: where few inputs are summed, storing sums and reading them
// again takes a quarter of the time. Included inside foreach_target.h.
#if defined(TFENGINE_KERNELS_CONV_DOT_FINISH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_CONV_DOT_FINISH_INL_H_
#undef TFENGINE_KERNELS_CONV_DOT_FINISH_INL_H_
#else
#define TFENGINE_KERNELS_CONV_DOT_FINISH_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/conv_dot_plan.h"
#include "kernels/epilogue_hwy-inl.h"
#include "kernels/gemm_dot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX3

using DotFloats = hn::CappedTag<float, kDotColumns>;

// The constants of a panel's channels, in steps of the destination.
struct PanelFactors {
  HWY_ALIGN float scale[DotPlan::kPanel] = {};
  HWY_ALIGN float bias[DotPlan::kPanel] = {};

  PanelFactors(const ClampStep<DotFloats>& step, const Epilogue& e, int64_t channel, int64_t channels) {
    for (int64_t i = 0; i < channels; ++i) {
      scale[i] = e.scale ? e.scale[channel + i] * step.folded : step.folded;
      bias[i] = (e.bias ? e.bias[channel + i] * step.folded : 0.0f) + step.zero;
    }
  }
};

// For an epilogue that only clamps. R: type of the residual or NoResidual; Byte: of the results; kWhole: of 64 channels.
template <class R, class Byte, bool kWhole>
struct StoreBytes {
  using DF = DotFloats;
  static constexpr bool kIsWhole = kWhole;
  static constexpr bool kHasResidual = !std::is_same_v<R, NoResidual>;
  using Residual = std::conditional_t<kHasResidual, R, uint8_t>;

  const PanelFactors* factors;
  int64_t channels;
  float high, residual_scale;
  Byte low;
  const Residual* residual = nullptr;
  int64_t residual_stride;
  uint8_t* dst;
  int64_t dst_stride;

  StoreBytes(const PanelFactors* panel, const ClampStep<DF>& step, const Epilogue& e, void* to, int64_t pixel_stride,
             int64_t pixel, int64_t channel, int64_t channels_there)
      : factors(panel), channels(channels_there), residual_stride(e.residual_pixel_stride), dst_stride(pixel_stride) {
    high = step.high_edge;
    low = static_cast<Byte>(std::nearbyint(step.low_edge));
    residual_scale = e.residual_scale * step.folded;
    if constexpr (kHasResidual) {
      residual = static_cast<const Residual*>(e.residual) + pixel * residual_stride + channel;
    }
    dst = static_cast<uint8_t*>(to) + pixel * dst_stride + channel;
  }

  void advance(int64_t rows) {
    if constexpr (kHasResidual) residual += rows * residual_stride;
    dst += rows * dst_stride;
  }

  template <int kVecs, class D, class V>
  HWY_INLINE void row(D, const V (&acc)[kVecs], int r) const {
    const DF df;
    hn::Vec<DF> q[kDotVecs] = {hn::Zero(df), hn::Zero(df), hn::Zero(df), hn::Zero(df)};
#pragma GCC unroll 4
    for (int v = 0; v < kVecs; ++v) {
      q[v] = hn::MulAdd(hn::ConvertTo(df, acc[v]), hn::Load(df, factors->scale + v * kDotColumns),
                        hn::Load(df, factors->bias + v * kDotColumns));
      if constexpr (kHasResidual) {
        const auto added = load_residual(df, residual + r * residual_stride, v);
        q[v] = hn::MulAdd(added, hn::Set(df, residual_scale), q[v]);
      }
      q[v] = hn::Min(q[v], hn::Set(df, high));
    }
    const auto lowest = hn::Set(hn::Repartition<Byte, DF>(), low);
    const auto bytes = hn::BitCast(hn::Repartition<uint8_t, DF>(), byte_quad<Byte>(df, q[0], q[1], q[2], q[3], lowest));
    const hn::Repartition<uint8_t, DF> du8;
    if constexpr (kWhole) {
      hn::StoreU(bytes, du8, dst + r * dst_stride);
    } else {
      hn::BlendedStore(bytes, hn::FirstN(du8, static_cast<size_t>(channels)), du8, dst + r * dst_stride);
    }
  }

 private:
  HWY_INLINE hn::Vec<DF> load_residual(DF df, const Residual* from, int v) const {
    if constexpr (kWhole) return load_as_float(df, from + v * kDotColumns);
    const hn::Rebind<Residual, DF> d8;
    const auto there = static_cast<size_t>(std::clamp<int64_t>(channels - v * kDotColumns, 0, kDotColumns));
    const auto bytes = hn::MaskedLoad(hn::FirstN(d8, there), d8, from + v * kDotColumns);
    return hn::ConvertTo(df, hn::PromoteTo(hn::RebindToSigned<DF>(), bytes));
  }
};

// Calls f with the StoreBytes that fits; false where none does.
template <bool kWhole, class F>
HWY_INLINE bool with_store_bytes(const Epilogue& e, F&& f) {
  if (!only_clamps(e) || e.dst_elem == Elem::F32) return false;
  const auto with_residual = [&](auto residual) HWY_ATTR {
    using R = decltype(residual);
    e.dst_elem == Elem::S8 ? f(static_cast<StoreBytes<R, int8_t, kWhole>*>(nullptr))
                           : f(static_cast<StoreBytes<R, uint8_t, kWhole>*>(nullptr));
    return true;
  };
  if (!e.residual) return with_residual(NoResidual());
  if (e.residual_elem == Elem::S8) return with_residual(int8_t());
  if (e.residual_elem == Elem::U8) return with_residual(uint8_t());
  return false;
}

#endif

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // toggle guard
