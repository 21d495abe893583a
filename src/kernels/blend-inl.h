// SPDX-License-Identifier: Apache-2.0
// A pixel between four others, for every instruction set. Include from within foreach_target files only.
#include <cstdint>

#include "hwy/highway.h"

#if defined(TFENGINE_KERNELS_BLEND_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_BLEND_INL_H
#undef TFENGINE_KERNELS_BLEND_INL_H
#else
#define TFENGINE_KERNELS_BLEND_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// dst = lerp(lerp(a, b, fx), lerp(c, d, fx), fy), in TensorFlow's form x + (y - x) * f.
HWY_INLINE void blend_pixels(int64_t n, const float* a, const float* b, const float* c, const float* d, float fx,
                             float fy, float* dst) {
  const hn::ScalableTag<float> df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const auto vx = hn::Set(df, fx), vy = hn::Set(df, fy);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto va = hn::LoadU(df, a + i), vc = hn::LoadU(df, c + i);
    const auto top = hn::MulAdd(hn::Sub(hn::LoadU(df, b + i), va), vx, va);
    const auto bottom = hn::MulAdd(hn::Sub(hn::LoadU(df, d + i), vc), vx, vc);
    hn::StoreU(hn::MulAdd(hn::Sub(bottom, top), vy, top), df, dst + i);
  }
  for (; i < n; ++i) {
    const float top = a[i] + (b[i] - a[i]) * fx, bottom = c[i] + (d[i] - c[i]) * fx;
    dst[i] = top + (bottom - top) * fy;
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();
#endif
