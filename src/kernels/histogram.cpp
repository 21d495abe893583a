// SPDX-License-Identifier: Apache-2.0
// One pass over activations, block by block: a vector loop finds the bins of what fits into the present ones, and the extremes;
// blocks with anything else, a larger value, NaN or infinity, are looked at once more, value by value.
//
// A count is a read-modify-write whose address is known late, so equal bins in a row would wait for each other's stores;
// private tables taken in turn avoid that. Their counts have 16 bits, so that they fit into the first cache beside the
// block, and are added up before they could overflow.
#include "kernels/histogram.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/histogram.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#ifndef TFENGINE_KERNELS_HISTOGRAM_ONCE
#define TFENGINE_KERNELS_HISTOGRAM_ONCE
namespace tfengine::kernels {

// Bins of positive, then of negative x.
inline constexpr int kBothBins = 2 * kHistogramBins;
// At the end of a table, one that takes what fills up a last group of indices; rounded up to whole vectors.
inline constexpr int kNowhere = kBothBins;
inline constexpr int kTableBins = kBothBins + 32;
inline constexpr int kTables = 4;
// Values that are looked at at a time, and counted between two additions of the tables to the sums: no table meets more
// than a quarter of them.
inline constexpr int64_t kPart = 4096;
inline constexpr int64_t kFlushValues = int64_t{1} << 17;

// What a block's values are counted by: those below `limit` fit.
struct Bins {
  float inverse_width = 0.0f;
  float limit = 0.0f;
};
// What count_block found in the first `done` values. The extremes hold where all fit.
struct BlockCounts {
  int64_t done = 0;
  int64_t nonzero = 0;
  float min = 0.0f;
  float max = 0.0f;
  bool all_fit = false;
};
// No narrower bins: all that is below them is subnormal, or close to it.
inline constexpr int kLeastExponent = -126;

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;
constexpr int64_t kMaxLanes = HWY_MAX_BYTES / sizeof(float);

// Counts index[0..n), n a multiple of kTables.
HWY_INLINE void count_indices(const int32_t* index, int64_t n, uint16_t* tables) {
  for (int64_t k = 0; k < n; k += kTables) {
    ++tables[index[k]];
    ++tables[kTableBins + index[k + 1]];
    ++tables[2 * kTableBins + index[k + 2]];
    ++tables[3 * kTableBins + index[k + 3]];
  }
}

// Counts the whole vectors of src in `tables`, as far as their values fit. Zeros, half of what follows a relu, are
// dropped before they are counted.
BlockCounts count_block(const float* src, int64_t n, const Bins& bins, uint16_t* tables) {
  const DF df;
  const hn::RebindToSigned<DF> di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const auto factor = hn::Set(df, bins.inverse_width);
  const auto limit = hn::Set(df, bins.limit);
  const auto zero = hn::Zero(df);
  const auto side = hn::Set(di, kHistogramBins);
  constexpr int64_t kHeld = 256;
  HWY_ALIGN int32_t index[kHeld + 2 * kMaxLanes];
  int64_t held = 0, counted = 0;
  auto low = hn::Inf(df), high = hn::Neg(low);
  auto fits = hn::Eq(zero, zero);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto x = hn::LoadU(df, src + i);
    const auto size = hn::Abs(x);
    low = hn::Min(low, x);
    high = hn::Max(high, x);
    const auto fit = hn::Lt(size, limit);  // false for NaN
    fits = hn::And(fits, fit);
    const auto kept = hn::RebindMask(di, hn::And(fit, hn::Ne(x, zero)));
    // The product is exact: the factor is a power of two. The conversion truncates.
    const auto bin = hn::ConvertTo(di, hn::Mul(size, factor));
    const auto slot = hn::IfThenElse(hn::RebindMask(di, hn::Lt(x, zero)), hn::Add(bin, side), bin);
    // Not CompressStore: where memory is its destination, Zen 4 takes a hundred times as long.
    hn::StoreU(hn::Compress(slot, kept), di, index + held);
    held += static_cast<int64_t>(hn::CountTrue(di, kept));
    if (held < kHeld) continue;
    count_indices(index, kHeld, tables);
    counted += kHeld;
    held -= kHeld;
    std::memmove(index, index + kHeld, static_cast<size_t>(held) * sizeof(int32_t));
  }
  counted += held;
  while (held % kTables != 0) index[held++] = kNowhere;
  count_indices(index, held, tables);
  return {i, counted, hn::GetLane(hn::MinOfLanes(df, low)), hn::GetLane(hn::MaxOfLanes(df, high)),
          hn::AllTrue(df, fits)};
}

// Moves the counts of all tables to `sums`.
void flush_tables(uint16_t* tables, uint64_t* sums) {
  const hn::ScalableTag<uint64_t> d64;
  const hn::Rebind<uint32_t, decltype(d64)> d32;
  const hn::Rebind<uint16_t, decltype(d64)> d16;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d64));
  for (int64_t k = 0; k < kBothBins; k += lanes) {  // a multiple of any vector's lanes
    auto sum = hn::Zero(d32);
    for (int t = 0; t < kTables; ++t) {
      uint16_t* counts = tables + t * kTableBins + k;
      sum = hn::Add(sum, hn::PromoteTo(d32, hn::LoadU(d16, counts)));
      hn::StoreU(hn::Zero(d16), d16, counts);
    }
    hn::StoreU(hn::Add(hn::LoadU(d64, sums + k), hn::PromoteTo(d64, sum)), d64, sums + k);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(count_block);
HWY_EXPORT(flush_tables);

// A matrix without gaps is one row.
FloatRows merge_rows(const FloatRows& src) {
  if (src.stride != src.cols || src.rows <= 1) return src;
  return {src.data, 1, src.rows * src.cols, src.rows * src.cols};
}

Moments moments_of(const float* data, int64_t n) {
  Moments m = empty_moments();
  m.count = static_cast<uint64_t>(n);
  for (int64_t i = 0; i < n; ++i) {
    const float value = data[i];
    if (std::isfinite(value)) {
      m.zeros += value == 0.0f;
      m.min = std::min(m.min, value);
      m.max = std::max(m.max, value);
    } else {
      ++(std::isnan(value) ? m.nans : m.infs);
    }
  }
  return m;
}

// sums[k >> shift] += counts[k].
void add_folded(const uint64_t* counts, int64_t n, int shift, uint64_t* sums) {
  if (shift == 0) {
    for (int64_t k = 0; k < n; ++k) sums[k] += counts[k];
  } else {
    for (int64_t k = 0; k < n; ++k) sums[k >> shift] += counts[k];
  }
}

// A shift by more leaves the first bin alone.
int shift_between(int from, int to) { return std::min(to - from, 11); }

// What one thread counts: its tables and sums have an exponent of their own.
class Counter {
 public:
  explicit Counter(int exponent) : exponent_(exponent) {}

  void take(const float* data, int64_t n) {
    if (held_ + n > kFlushValues) flush();
    held_ += n;
    const Bins bins{std::ldexp(1.0f, -exponent_), std::ldexp(static_cast<float>(kHistogramBins), exponent_)};
    const BlockCounts block = HWY_DYNAMIC_DISPATCH(count_block)(data, n, bins, tables_);
    if (block.all_fit && block.done > 0) {
      const auto done = static_cast<uint64_t>(block.done);
      merge_moments(moments_, {block.min, block.max, done, done - static_cast<uint64_t>(block.nonzero), 0, 0});
    } else {
      add_misfits(data, block.done, bins.limit);
    }
    add_misfits(data + block.done, n - block.done, 0.0f);
  }
  void flush() {
    if (held_ != 0) HWY_DYNAMIC_DISPATCH(flush_tables)(tables_, sums_);
    held_ = 0;
  }
  const Moments& moments() const { return moments_; }
  // After a flush.
  void add_to(const HistogramSink& sink) const {
    const int shift = shift_between(exponent_, sink.exponent);
    if (moments_.max > 0.0f) add_folded(sums_, kHistogramBins, shift, sink.positive);
    if (moments_.min < 0.0f) add_folded(sums_ + kHistogramBins, kHistogramBins, shift, sink.negative);
  }

 private:
  // Adds the moments of all values and counts those of at least `limit`.
  void add_misfits(const float* data, int64_t n, float limit) {
    const Moments part = moments_of(data, n);
    merge_moments(moments_, part);
    const float largest = max_abs(part);
    if (largest == 0.0f) return;
    if (const int needed = histogram_exponent(largest); needed > exponent_) widen(needed);
    const float inverse_width = std::ldexp(1.0f, -exponent_);
    for (int64_t i = 0; i < n; ++i) {
      const float size = std::abs(data[i]);
      if (size == 0.0f || size < limit || !std::isfinite(size)) continue;
      ++sums_[static_cast<int64_t>(size * inverse_width) + (data[i] < 0.0f ? kHistogramBins : 0)];
    }
  }
  void widen(int exponent) {
    flush();
    const int shift = shift_between(exponent_, exponent);
    for (uint64_t* side : {sums_, sums_ + kHistogramBins}) {
      for (int64_t k = 0; k < kHistogramBins; ++k) {
        const uint64_t moved = side[k];
        side[k] = 0;
        side[k >> shift] += moved;
      }
    }
    exponent_ = exponent;
  }

  int exponent_;
  Moments moments_ = empty_moments();
  int64_t held_ = 0;  // values in tables_
  alignas(64) uint16_t tables_[kTables * kTableBins] = {};
  alignas(64) uint64_t sums_[kBothBins] = {};
};

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
  return std::max(e - 11, kLeastExponent);
}

size_t histogram_workspace_bytes(int threads) { return sizeof(Counter) * static_cast<size_t>(std::max(threads, 1)); }

void histogram_add(const FloatRows& rows, int exponent, const PrepareSink& prepare, Moments& moments, void* workspace,
                   int threads) {
  const FloatRows src = merge_rows(rows);
  const int64_t parts_per_row = (src.cols + kPart - 1) / kPart;
  const int64_t units = src.rows * parts_per_row;
  // Clearing and adding up a second thread's counts costs as much as counting about 20000 values.
  const double ns = 0.5 * static_cast<double>(src.rows * src.cols) - 10000.0;
  const int used = useful_threads(threads, ns, units);
  auto* counters = static_cast<Counter*>(workspace);
  std::atomic<int> begun = 0;  // the first threads, each with some parts: `used` is not above `units`
  parallel_ranges(units, used, [&](int64_t begin, int64_t end, int thread) {
    auto* counter = new (counters + thread) Counter(std::max(exponent, kLeastExponent));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % parts_per_row * kPart;
      counter->take(src.data + i / parts_per_row * src.stride + first, std::min(kPart, src.cols - first));
    }
    counter->flush();
    ++begun;
  });
  Moments all = empty_moments();
  for (int i = 0; i < begun; ++i) merge_moments(all, counters[i].moments());
  merge_moments(moments, all);
  const float largest = max_abs(all);
  if (largest == 0.0f) return;
  const HistogramSink sink = prepare(largest);
  for (int i = 0; i < begun; ++i) counters[i].add_to(sink);
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
