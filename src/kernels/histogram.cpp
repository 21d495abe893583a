// SPDX-License-Identifier: Apache-2.0
// Two passes over activations that lie in cache: moments, then counts. A count is a read-modify-write whose address is known
// late, so equal bins in a row would wait for each other's stores; four private tables of 32-bit counts in turn avoid that,
// and are added up before they could overflow.
#include "kernels/histogram.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/histogram.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#ifndef TFENGINE_KERNELS_HISTOGRAM_ONCE
#define TFENGINE_KERNELS_HISTOGRAM_ONCE
namespace tfengine::kernels {

// Bins of positive, then of negative x and, at the end, one that takes what fills up a last group of indices.
inline constexpr int kTableBins = 2 * kHistogramBins + 1;
inline constexpr int kTables = 4;
inline constexpr int kNowhere = 2 * kHistogramBins;
// Values between two additions of the private tables to the result: far below 2^32.
inline constexpr int64_t kFlushValues = int64_t{1} << 30;
// Values that one thread takes at a time.
inline constexpr int64_t kPart = 8192;

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;
constexpr int64_t kMaxLanes = HWY_MAX_BYTES / sizeof(float);

// At most kPart values.
void moments_part(const float* src, int64_t n, Moments& m) {
  const DF df;
  const hn::RebindToSigned<DF> di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const auto inf = hn::Inf(df), zero = hn::Zero(df);
  auto low = inf, high = hn::Neg(inf);
  auto zeros = hn::Zero(di), nans = hn::Zero(di), infs = hn::Zero(di);
  const auto take = [&](VF x) HWY_ATTR {
    const auto finite = hn::Lt(hn::Abs(x), inf);  // false for NaN
    low = hn::Min(low, hn::IfThenElse(finite, x, inf));
    high = hn::Max(high, hn::IfThenElse(finite, x, hn::Neg(inf)));
    // A mask is -1 in its lanes.
    zeros = hn::Sub(zeros, hn::VecFromMask(di, hn::RebindMask(di, hn::Eq(x, zero))));
    nans = hn::Sub(nans, hn::VecFromMask(di, hn::RebindMask(di, hn::IsNaN(x))));
    infs = hn::Sub(infs, hn::VecFromMask(di, hn::RebindMask(di, hn::Eq(hn::Abs(x), inf))));
  };
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) take(hn::LoadU(df, src + i));
  int64_t padding = 0;
  if (i < n) {
    HWY_ALIGN float rest[kMaxLanes];
    // NaN is in no extreme; its count is corrected below.
    std::fill_n(rest, kMaxLanes, std::numeric_limits<float>::quiet_NaN());
    std::memcpy(rest, src + i, static_cast<size_t>(n - i) * sizeof(float));
    padding = lanes - (n - i);
    take(hn::Load(df, rest));
  }
  m.min = std::min(m.min, hn::GetLane(hn::MinOfLanes(df, low)));
  m.max = std::max(m.max, hn::GetLane(hn::MaxOfLanes(df, high)));
  m.count += static_cast<uint64_t>(n);
  m.zeros += static_cast<uint64_t>(hn::GetLane(hn::SumOfLanes(di, zeros)));
  m.nans += static_cast<uint64_t>(hn::GetLane(hn::SumOfLanes(di, nans)) - padding);
  m.infs += static_cast<uint64_t>(hn::GetLane(hn::SumOfLanes(di, infs)));
}

// Counts index[0..n), n a multiple of kTables.
HWY_INLINE void count_indices(const int32_t* index, int64_t n, uint32_t* tables) {
  for (int64_t k = 0; k < n; k += kTables) {
    ++tables[index[k]];
    ++tables[kTableBins + index[k + 1]];
    ++tables[2 * kTableBins + index[k + 2]];
    ++tables[3 * kTableBins + index[k + 3]];
  }
}

// tables: kTables of kTableBins counts. Zeros, half of what follows a relu, are dropped before they are counted.
void count_part(const float* src, int64_t n, float inv_width, uint32_t* tables) {
  const DF df;
  const hn::RebindToSigned<DF> di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const auto factor = hn::Set(df, inv_width);
  const auto most = hn::Set(df, static_cast<float>(kHistogramBins - 1));
  const auto zero = hn::Zero(df);
  const auto bins = hn::Set(di, kHistogramBins);
  constexpr int64_t kHeld = 256;
  HWY_ALIGN int32_t index[kHeld + 2 * kMaxLanes];
  int64_t held = 0;
  const auto take = [&](VF x) HWY_ATTR {
    const auto size = hn::Abs(x);
    const auto counted = hn::And(hn::Lt(size, hn::Inf(df)), hn::Ne(x, zero));
    // The product is exact: inv_width is a power of two. It is bounded before the conversion, which truncates.
    const auto bin = hn::ConvertTo(di, hn::Min(hn::Mul(size, factor), most));
    const auto slot = hn::IfThenElse(hn::RebindMask(di, hn::Lt(x, zero)), hn::Add(bin, bins), bin);
    held += static_cast<int64_t>(hn::CompressBlendedStore(slot, hn::RebindMask(di, counted), di, index + held));
    if (held < kHeld) return;
    count_indices(index, kHeld, tables);
    held -= kHeld;
    std::memmove(index, index + kHeld, static_cast<size_t>(held) * sizeof(int32_t));
  };
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) take(hn::LoadU(df, src + i));
  if (i < n) {
    HWY_ALIGN float rest[kMaxLanes] = {};
    std::memcpy(rest, src + i, static_cast<size_t>(n - i) * sizeof(float));
    take(hn::Load(df, rest));
  }
  while (held % kTables != 0) index[held++] = kNowhere;
  count_indices(index, held, tables);
}

// Adds `n` counts of each of the kTables tables to `sums`.
void add_tables(const uint32_t* tables, int64_t n, uint64_t* sums) {
  const hn::ScalableTag<uint64_t> d64;
  const hn::Rebind<uint32_t, decltype(d64)> d32;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d64));
  for (int64_t k = 0; k < n; k += lanes) {  // n is a multiple of any vector's lanes
    auto sum = hn::LoadU(d64, sums + k);
    for (int t = 0; t < kTables; ++t)
      sum = hn::Add(sum, hn::PromoteTo(d64, hn::LoadU(d32, tables + t * kTableBins + k)));
    hn::StoreU(sum, d64, sums + k);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(moments_part);
HWY_EXPORT(count_part);
HWY_EXPORT(add_tables);

// A matrix without gaps is one row.
FloatRows merge_rows(const FloatRows& src) {
  if (src.stride != src.cols || src.rows <= 1) return src;
  return {src.data, 1, src.rows * src.cols, src.rows * src.cols};
}

// Calls f(data, n) for the parts of units [begin, end); a unit is at most kPart values of one row.
template <class F>
void for_each_part(const FloatRows& src, int64_t parts_per_row, int64_t begin, int64_t end, F&& f) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t first = i % parts_per_row * kPart;
    f(src.data + i / parts_per_row * src.stride + first, std::min(kPart, src.cols - first));
  }
}

}  // namespace

Moments empty_moments() {
  const float inf = std::numeric_limits<float>::infinity();
  return {inf, -inf, 0, 0, 0, 0};
}

void merge_moments(Moments& a, const Moments& b) {
  a.min = std::min(a.min, b.min);
  a.max = std::max(a.max, b.max);
  a.count += b.count;
  a.zeros += b.zeros;
  a.nans += b.nans;
  a.infs += b.infs;
}

float max_abs(const Moments& m) { return m.min > m.max ? 0.0f : std::max(std::abs(m.min), std::abs(m.max)); }

int histogram_exponent(float max_abs) {
  // max_abs = f * 2^e with f in [0.5, 1): below 2^e, so 2048 = 2^11 bins of width 2^(e - 11) hold it.
  int e = 0;
  std::frexp(max_abs, &e);
  return e - 11;
}

void absmax_stats(const FloatRows& rows, Moments& moments, int threads) {
  const FloatRows src = merge_rows(rows);
  const int64_t parts_per_row = (src.cols + kPart - 1) / kPart;
  const int64_t units = src.rows * parts_per_row;
  const double ns = 0.3 * static_cast<double>(src.rows * src.cols);
  const int used = useful_threads(threads, ns, units);
  std::mutex mutex;
  parallel_ranges(units, used, [&](int64_t begin, int64_t end, int) {
    Moments part = empty_moments();
    for_each_part(src, parts_per_row, begin, end, [&](const float* data, int64_t n) {
      HWY_DYNAMIC_DISPATCH(moments_part)(data, n, part);
    });
    const std::lock_guard lock(mutex);
    merge_moments(moments, part);
  });
}

size_t histogram_workspace_bytes(int threads) {
  constexpr size_t kBytes = (kTables * kTableBins * sizeof(uint32_t) + 63) / 64 * 64;
  return kBytes * static_cast<size_t>(std::max(threads, 1));
}

void histogram_add(const FloatRows& rows, const HistogramSink& sink, void* workspace, int threads) {
  const FloatRows src = merge_rows(rows);
  const int64_t parts_per_row = (src.cols + kPart - 1) / kPart;
  const int64_t units = src.rows * parts_per_row;
  // Clearing and adding up a thread's tables costs as much as counting about 8000 values.
  const double ns = 0.8 * static_cast<double>(src.rows * src.cols) - 8000.0;
  const int used = useful_threads(threads, ns, units);
  // Subnormal widths cannot be inverted in one step; values that small are all in the first bins anyway.
  const float inv_width = std::ldexp(1.0f, std::clamp(-sink.exponent, -126, 126));
  const auto table_of = [&](int thread) {
    return reinterpret_cast<uint32_t*>(static_cast<char*>(workspace) +
                                       histogram_workspace_bytes(1) * static_cast<size_t>(thread));
  };
  const int64_t round = kFlushValues / kPart;
  for (int64_t start = 0; start < units; start += round) {
    std::mutex mutex;
    parallel_ranges(std::min(round, units - start), used, [&](int64_t begin, int64_t end, int thread) {
      uint32_t* tables = table_of(thread);
      std::memset(tables, 0, histogram_workspace_bytes(1));
      for_each_part(src, parts_per_row, start + begin, start + end, [&](const float* data, int64_t n) {
        HWY_DYNAMIC_DISPATCH(count_part)(data, n, inv_width, tables);
      });
      const std::lock_guard lock(mutex);
      HWY_DYNAMIC_DISPATCH(add_tables)(tables, kHistogramBins, sink.positive);
      HWY_DYNAMIC_DISPATCH(add_tables)(tables + kHistogramBins, kHistogramBins, sink.negative);
    });
  }
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
