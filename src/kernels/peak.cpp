// SPDX-License-Identifier: Apache-2.0
#include "kernels/peak.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/peak.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

float peak_of_run(const float* src, int64_t count) {
  const hn::ScalableTag<float> df;
  const auto lanes = static_cast<int64_t>(hn::Lanes(df));
  const auto infinity = hn::Set(df, std::numeric_limits<float>::infinity());
  auto most = hn::Zero(df);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto magnitude = hn::Abs(hn::LoadU(df, src + i));
    most = hn::Max(most, hn::IfThenElseZero(hn::Lt(magnitude, infinity), magnitude));
  }
  float result = hn::GetLane(hn::MaxOfLanes(df, most));
  for (; i < count; ++i) {
    const float magnitude = src[i] < 0.0f ? -src[i] : src[i];
    if (magnitude < std::numeric_limits<float>::infinity()) result = result < magnitude ? magnitude : result;
  }
  return result;
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {

HWY_EXPORT(peak_of_run);

float peak_magnitude(const float* src, int64_t rows, int64_t columns, int64_t stride, int threads) {
  if (stride == columns || rows == 1) {
    columns *= rows;
    rows = 1;
  }
  // Long runs are cut, so that a dense tensor keeps all threads busy.
  constexpr int64_t kUnit = 16384;
  const int64_t units_of_row = std::max<int64_t>(1, (columns + kUnit - 1) / kUnit);
  const int64_t units = rows * units_of_row;
  const double ns = 0.1 * static_cast<double>(rows) * static_cast<double>(columns);
  const int used = useful_threads(threads, ns, units);
  std::vector<float> peaks(static_cast<size_t>(std::max(used, 1)), 0.0f);
  parallel_ranges(units, used, [&](int64_t begin, int64_t end, int thread) {
    float most = 0.0f;
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t first = unit % units_of_row * kUnit;
      most = std::max(most, HWY_DYNAMIC_DISPATCH(peak_of_run)(src + unit / units_of_row * stride + first,
                                                              std::min(kUnit, columns - first)));
    }
    peaks[static_cast<size_t>(thread)] = most;
  });
  return *std::max_element(peaks.begin(), peaks.end());
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
