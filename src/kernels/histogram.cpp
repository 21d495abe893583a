// SPDX-License-Identifier: Apache-2.0
// Two passes over activations that lie in cache: moments, then counts. A count is a read-modify-write whose address is known
// late, so equal bins in a row would wait for each other's stores; four private tables of 32-bit counts in turn avoid that,
// and are added up before they could overflow.
#include "kernels/histogram.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/histogram.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#ifndef TFENGINE_KERNELS_HISTOGRAM_ONCE
#define TFENGINE_KERNELS_HISTOGRAM_ONCE
namespace tfengine::kernels {

// Bins -2048..-1 and 0..2047 of x and, at the end, one that takes what is not counted: zeros, NaN and infinities.
inline constexpr int kTableBins = 2 * kHistogramBins + 1;
inline constexpr int kTables = 4;
// Values between two additions of the private tables to the result: far below 2^32.
inline constexpr int64_t kFlushValues = int64_t{1} << 30;
// Parts whose sums are formed on their own and added in order, whatever the number of threads.
inline constexpr int64_t kMomentPart = 8192;

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Eight lanes also with AVX-512, so that the sums of its machines are those of AVX2's.
using DF = hn::CappedTag<float, 8>;
using VF = hn::Vec<DF>;

// At most kMomentPart values.
void moments_part(const float* src, int64_t n, Moments& m) {
  const DF df;
  const hn::RebindToSigned<DF> di;
  const hn::Repartition<double, DF> dd;
  const hn::Half<DF> dh;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const auto inf = hn::Inf(df), zero = hn::Zero(df);
  auto low = inf, high = hn::Neg(inf);
  auto zeros = hn::Zero(di), nans = hn::Zero(di), infs = hn::Zero(di);
  auto sum0 = hn::Zero(dd), sum1 = hn::Zero(dd), square0 = hn::Zero(dd), square1 = hn::Zero(dd);
  const auto take = [&](VF x) HWY_ATTR {
    const auto finite = hn::Lt(hn::Abs(x), inf);  // false for NaN
    const auto is_nan = hn::IsNaN(x);
    low = hn::Min(low, hn::IfThenElse(finite, x, inf));
    high = hn::Max(high, hn::IfThenElse(finite, x, hn::Neg(inf)));
    // A mask is -1 in its lanes.
    zeros = hn::Sub(zeros, hn::VecFromMask(di, hn::RebindMask(di, hn::Eq(x, zero))));
    nans = hn::Sub(nans, hn::VecFromMask(di, hn::RebindMask(di, is_nan)));
    infs = hn::Sub(infs, hn::VecFromMask(di, hn::RebindMask(di, hn::Eq(hn::Abs(x), inf))));
    const auto y = hn::IfThenElseZero(finite, x);
    const auto y0 = hn::PromoteTo(dd, hn::LowerHalf(dh, y)), y1 = hn::PromoteTo(dd, hn::UpperHalf(dh, y));
    sum0 = hn::Add(sum0, y0);
    sum1 = hn::Add(sum1, y1);
    square0 = hn::MulAdd(y0, y0, square0);
    square1 = hn::MulAdd(y1, y1, square1);
  };
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) take(hn::LoadU(df, src + i));
  int64_t padding = 0;
  if (i < n) {
    HWY_ALIGN float rest[8] = {};
    std::memcpy(rest, src + i, static_cast<size_t>(n - i) * sizeof(float));
    padding = lanes - (n - i);
    // NaN is in no sum and no extreme; its count is corrected below.
    for (int64_t k = n - i; k < lanes; ++k) rest[k] = std::numeric_limits<float>::quiet_NaN();
    take(hn::Load(df, rest));
  }
  m.min = std::min(m.min, hn::GetLane(hn::MinOfLanes(df, low)));
  m.max = std::max(m.max, hn::GetLane(hn::MaxOfLanes(df, high)));
  m.count += static_cast<uint64_t>(n);
  m.zeros += static_cast<uint64_t>(hn::GetLane(hn::SumOfLanes(di, zeros)));
  m.nans += static_cast<uint64_t>(hn::GetLane(hn::SumOfLanes(di, nans)) - padding);
  m.infs += static_cast<uint64_t>(hn::GetLane(hn::SumOfLanes(di, infs)));
  m.sum += hn::GetLane(hn::SumOfLanes(dd, hn::Add(sum0, sum1)));
  m.sum_squares += hn::GetLane(hn::SumOfLanes(dd, hn::Add(square0, square1)));
}

// tables: kTables of kTableBins counts.
void count_part(const float* src, int64_t n, float inv_width, uint32_t* tables) {
  const DF df;
  const hn::RebindToSigned<DF> di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const auto factor = hn::Set(df, inv_width);
  const auto most = hn::Set(df, static_cast<float>(kHistogramBins - 1));
  const auto zero = hn::Zero(df);
  const auto bins = hn::Set(di, kHistogramBins), nowhere = hn::Set(di, 2 * kHistogramBins);
  HWY_ALIGN int32_t index[16] = {};
  const auto index_of = [&](VF x, int32_t* to) HWY_ATTR {
    const auto size = hn::Abs(x);
    const auto counted = hn::And(hn::Lt(size, hn::Inf(df)), hn::Ne(x, zero));
    // The product is exact: inv_width is a power of two. It is bounded before the conversion, which truncates.
    const auto bin = hn::ConvertTo(di, hn::Min(hn::Mul(size, factor), most));
    const auto slot = hn::IfThenElse(hn::RebindMask(di, hn::Lt(x, zero)), hn::Add(bin, bins), bin);
    hn::Store(hn::IfThenElse(hn::RebindMask(di, counted), slot, nowhere), di, to);
  };
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    index_of(hn::LoadU(df, src + i), index);
    index_of(hn::LoadU(df, src + i + lanes), index + lanes);
    for (int64_t k = 0; k < 2 * lanes; k += kTables) {
      ++tables[index[k]];
      ++tables[kTableBins + index[k + 1]];
      ++tables[2 * kTableBins + index[k + 2]];
      ++tables[3 * kTableBins + index[k + 3]];
    }
  }
  for (; i < n; i += lanes) {
    const int64_t count = std::min(lanes, n - i);
    HWY_ALIGN float rest[8] = {};
    std::memcpy(rest, src + i, static_cast<size_t>(count) * sizeof(float));
    index_of(hn::Load(df, rest), index);
    for (int64_t k = 0; k < count; ++k) ++tables[index[k]];
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

// A matrix without gaps is one row.
FloatRows merge_rows(const FloatRows& src) {
  if (src.stride != src.cols || src.rows <= 1) return src;
  return {src.data, 1, src.rows * src.cols, src.rows * src.cols};
}

// Calls f(data, n) for the parts of units [begin, end); a unit is at most kMomentPart values of one row.
template <class F>
void for_each_part(const FloatRows& src, int64_t parts_per_row, int64_t begin, int64_t end, F&& f) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t first = i % parts_per_row * kMomentPart;
    f(src.data + i / parts_per_row * src.stride + first, std::min(kMomentPart, src.cols - first));
  }
}

}  // namespace

Moments empty_moments() {
  const float inf = std::numeric_limits<float>::infinity();
  return {inf, -inf, 0, 0, 0, 0, 0.0, 0.0};
}

void merge_moments(Moments& a, const Moments& b) {
  a.min = std::min(a.min, b.min);
  a.max = std::max(a.max, b.max);
  a.count += b.count;
  a.zeros += b.zeros;
  a.nans += b.nans;
  a.infs += b.infs;
  a.sum += b.sum;
  a.sum_squares += b.sum_squares;
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
  const int64_t parts_per_row = (src.cols + kMomentPart - 1) / kMomentPart;
  const int64_t units = src.rows * parts_per_row;
  const double ns = 0.3 * static_cast<double>(src.rows * src.cols);
  const int used = useful_threads(threads, ns, units);
  // Rounds of at most this many parts, whose results are kept and added in order: the sum does not depend on threads.
  constexpr int64_t kRound = 256;
  Moments part[kRound];
  for (int64_t start = 0; start < units; start += kRound) {
    const int64_t count = std::min(kRound, units - start);
    parallel_ranges(count, used, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        part[i] = empty_moments();
        for_each_part(src, parts_per_row, start + i, start + i + 1, [&](const float* data, int64_t n) {
          HWY_DYNAMIC_DISPATCH(moments_part)(data, n, part[i]);
        });
      }
    });
    for (int64_t i = 0; i < count; ++i) merge_moments(moments, part[i]);
  }
}

size_t histogram_workspace_bytes(int threads) {
  constexpr size_t kBytes = (kTables * kTableBins * sizeof(uint32_t) + 63) / 64 * 64;
  return kBytes * static_cast<size_t>(std::max(threads, 1));
}

void histogram_add(const FloatRows& rows, const HistogramSink& sink, void* workspace, int threads) {
  const FloatRows src = merge_rows(rows);
  const int64_t parts_per_row = (src.cols + kMomentPart - 1) / kMomentPart;
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
  const auto add_table = [&](uint32_t* tables) {
    for (int t = 0; t < kTables; ++t) {
      const uint32_t* counts = tables + t * kTableBins;
      for (int k = 0; k < kHistogramBins; ++k) {
        sink.positive[k] += counts[k];
        sink.negative[k] += counts[kHistogramBins + k];
      }
    }
  };
  const int64_t round = kFlushValues / kMomentPart;
  for (int64_t start = 0; start < units; start += round) {
    for (int t = 0; t < used; ++t) std::memset(table_of(t), 0, histogram_workspace_bytes(1));
    parallel_ranges(std::min(round, units - start), used, [&](int64_t begin, int64_t end, int thread) {
      for_each_part(src, parts_per_row, start + begin, start + end, [&](const float* data, int64_t n) {
        HWY_DYNAMIC_DISPATCH(count_part)(data, n, inv_width, table_of(thread));
      });
    });
    for (int t = 0; t < used; ++t) add_table(table_of(t));
  }
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
