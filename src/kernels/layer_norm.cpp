// SPDX-License-Identifier: Apache-2.0
// Mean first, then the mean of squared differences from it: in float, the mean of squares less the square of the mean loses
// all digits when the mean is large.
#include "kernels/layer_norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer_norm.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void layer_norm_row(const float* src, int64_t n, const float* gamma, const float* beta, float epsilon, float* dst) {
  const hn::ScalableTag<float> df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const int64_t whole = n / lanes * lanes;
  auto sums = hn::Zero(df);
  for (int64_t i = 0; i < whole; i += lanes) sums = hn::Add(sums, hn::LoadU(df, src + i));
  float sum = hn::GetLane(hn::SumOfLanes(df, sums));
  for (int64_t i = whole; i < n; ++i) sum += src[i];
  const float mean = sum / static_cast<float>(n);
  const auto vmean = hn::Set(df, mean);
  auto squares = hn::Zero(df);
  for (int64_t i = 0; i < whole; i += lanes) {
    const auto x = hn::Sub(hn::LoadU(df, src + i), vmean);
    squares = hn::MulAdd(x, x, squares);
  }
  float square = hn::GetLane(hn::SumOfLanes(df, squares));
  for (int64_t i = whole; i < n; ++i) square += (src[i] - mean) * (src[i] - mean);
  const float factor = 1.0f / std::sqrt(square / static_cast<float>(n) + epsilon);
  const auto vfactor = hn::Set(df, factor);
  for (int64_t i = 0; i < whole; i += lanes) {
    auto x = hn::Mul(hn::Sub(hn::LoadU(df, src + i), vmean), vfactor);
    if (gamma) x = hn::Mul(x, hn::LoadU(df, gamma + i));
    if (beta) x = hn::Add(x, hn::LoadU(df, beta + i));
    hn::StoreU(x, df, dst + i);
  }
  for (int64_t i = whole; i < n; ++i) {
    dst[i] = (src[i] - mean) * factor * (gamma ? gamma[i] : 1.0f) + (beta ? beta[i] : 0.0f);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {
HWY_EXPORT(layer_norm_row);
}

void layer_norm_f32(const Rows& rows, const float* src, const float* gamma, const float* beta, float epsilon,
                    float* dst, int threads) {
  if (rows.cols <= 0) return;
  const double ns = 0.5 * static_cast<double>(rows.rows * rows.cols);
  parallel_ranges(rows.rows, useful_threads(threads, ns, rows.rows), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      HWY_DYNAMIC_DISPATCH(layer_norm_row)
      (src + r * rows.src_stride, rows.cols, gamma, beta, epsilon, dst + r * rows.dst_stride);
    }
  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
