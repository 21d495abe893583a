// SPDX-License-Identifier: Apache-2.0
#include "kernels/sum_rows.h"

#include <algorithm>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/sum_rows.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void sum_columns(const float* src, int64_t stride, std::span<const int64_t> rows, int64_t columns, float* sums) {
  const hn::ScalableTag<float> df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  std::fill_n(sums, columns, 0.0f);
  for (const int64_t row : rows) {
    const float* values = src + row * stride;
    int64_t c = 0;
    for (; c + lanes <= columns; c += lanes) {
      hn::StoreU(hn::Add(hn::LoadU(df, sums + c), hn::LoadU(df, values + c)), df, sums + c);
    }
    for (; c < columns; ++c) sums[c] += values[c];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {

HWY_EXPORT(sum_columns);

void sum_rows(const float* src, int64_t stride, std::span<const int64_t> rows, int64_t columns, float* sums,
              int threads) {
  // Cache lines, so that threads share none.
  constexpr int64_t kUnit = 16;
  const int64_t units = (columns + kUnit - 1) / kUnit;
  const double ns = 0.15 * static_cast<double>(rows.size()) * static_cast<double>(columns);
  parallel_ranges(units, useful_threads(threads, ns, units), [&](int64_t begin, int64_t end, int) {
    const int64_t first = begin * kUnit;
    HWY_DYNAMIC_DISPATCH(sum_columns)
    (src + first, stride, rows, std::min(end * kUnit, columns) - first, sums + first);
  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
