// SPDX-License-Identifier: Apache-2.0
#include "kernels/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/eltwise_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using DF = hn::ScalableTag<float>;
constexpr int64_t kMaxLanes = HWY_MAX_BYTES / sizeof(float);

// The last, partial vector of a row, filled up with -inf: it changes neither the maximum nor the sum.
HWY_INLINE hn::Vec<DF> load_rest(const float* src, int64_t n) {
  HWY_ALIGN float all[kMaxLanes];
  std::fill_n(all, kMaxLanes, -std::numeric_limits<float>::infinity());
  std::copy_n(src, n, all);
  return hn::Load(DF(), all);
}

HWY_INLINE void store_rest(hn::Vec<DF> x, int64_t n, float* dst) {
  HWY_ALIGN float all[kMaxLanes];
  hn::Store(x, DF(), all);
  std::copy_n(all, n, dst);
}

void softmax_row(const float* src, int64_t n, bool log, float* dst) {
  const DF df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const int64_t whole = n / lanes * lanes;
  auto most = hn::Set(df, -std::numeric_limits<float>::infinity());
  for (int64_t i = 0; i < whole; i += lanes) most = hn::Max(most, hn::LoadU(df, src + i));
  if (whole < n) most = hn::Max(most, load_rest(src + whole, n - whole));
  most = hn::MaxOfLanes(df, most);
  auto sum = hn::Zero(df);
  // Softmax keeps the exponentials in dst; log-softmax only needs their sum.
  for (int64_t i = 0; i < whole; i += lanes) {
    const auto e = fast_exp(df, hn::Sub(hn::LoadU(df, src + i), most));
    sum = hn::Add(sum, e);
    if (!log) hn::StoreU(e, df, dst + i);
  }
  if (whole < n) {
    const auto rest = hn::Sub(load_rest(src + whole, n - whole), most);
    // fast_exp never gives exactly 0 for -inf, so the filling is taken out by hand.
    const auto e =
        hn::IfThenElseZero(hn::Gt(rest, hn::Set(df, -std::numeric_limits<float>::infinity())), fast_exp(df, rest));
    sum = hn::Add(sum, e);
    if (!log) store_rest(e, n - whole, dst + whole);
  }
  const float total = hn::GetLane(hn::SumOfLanes(df, sum));
  if (log) {
    const auto shift = hn::Add(most, hn::Set(df, std::log(total)));
    for (int64_t i = 0; i < whole; i += lanes) hn::StoreU(hn::Sub(hn::LoadU(df, src + i), shift), df, dst + i);
    if (whole < n) store_rest(hn::Sub(load_rest(src + whole, n - whole), shift), n - whole, dst + whole);
    return;
  }
  const auto factor = hn::Set(df, 1.0f / total);
  for (int64_t i = 0; i < whole; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(df, dst + i), factor), df, dst + i);
  if (whole < n) store_rest(hn::Mul(load_rest(dst + whole, n - whole), factor), n - whole, dst + whole);
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(softmax_row);

void run_rows(const Rows& rows, const float* src, bool log, float* dst, int threads) {
  if (rows.cols <= 0) return;
  const double ns = 1.2 * static_cast<double>(rows.rows * rows.cols);
  parallel_ranges(rows.rows, useful_threads(threads, ns, rows.rows), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      HWY_DYNAMIC_DISPATCH(softmax_row)(src + r * rows.src_stride, rows.cols, log, dst + r * rows.dst_stride);
    }
  });
}

}  // namespace

void softmax_f32(const Rows& rows, const float* src, float* dst, int threads) {
  run_rows(rows, src, false, dst, threads);
}
void log_softmax_f32(const Rows& rows, const float* src, float* dst, int threads) {
  run_rows(rows, src, true, dst, threads);
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
