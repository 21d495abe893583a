// SPDX-License-Identifier: Apache-2.0
#include "quantize/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"

namespace tfengine::quantize {

void Moments::add(float value) {
  ++count;
  if (std::isnan(value)) {
    ++nans;
  } else if (std::isinf(value)) {
    ++infs;
  } else {
    zeros += value == 0.0f;
    min = std::min(min, value) + 0.0f;
    max = std::max(max, value) + 0.0f;
  }
}

void Moments::merge(const Moments& other) {
  // Which of the two zeros comes first depends on the order; adding 0 makes -0.0 the other one.
  min = std::min(min, other.min) + 0.0f;
  max = std::max(max, other.max) + 0.0f;
  count += other.count;
  zeros += other.zeros;
  nans += other.nans;
  infs += other.infs;
}

float Moments::max_abs() const { return finite() == 0 ? 0.0f : std::max(std::abs(min), std::abs(max)); }

namespace {

// The smallest exponent e with magnitude < kBins * 2^e.
int exponent_for(float magnitude) {
  int exponent = 0;
  std::frexp(magnitude, &exponent);  // magnitude < 2^exponent
  return std::clamp(exponent - std::countr_zero(static_cast<unsigned>(Histogram::kBins)), Histogram::kMinExponent,
                    Histogram::kMaxExponent);
}

}  // namespace

int Histogram::prepare(float max_abs) {
  check(std::isfinite(max_abs) && max_abs >= 0.0f, "histogram range must be finite, got {}", max_abs);
  if (max_abs == 0.0f) return exponent_ == kUnset ? kMinExponent : exponent_;
  const int needed = exponent_for(max_abs);
  if (exponent_ == kUnset) {
    counts_.assign(2 * kBins, 0);
    exponent_ = needed;
  } else if (needed > exponent_) {
    fold_to(needed);
  }
  return exponent_;
}

void Histogram::fold_to(int exponent) {
  const int shift = std::min(exponent - exponent_, 31);
  for (uint64_t* side : {positive(), negative()}) {
    for (int k = 0; k < kBins; ++k) {
      const uint64_t moved = side[k];
      side[k] = 0;
      side[static_cast<unsigned>(k) >> shift] += moved;
    }
  }
  exponent_ = exponent;
}

void Histogram::add(const float* data, size_t n) {
  Moments batch;
  for (size_t i = 0; i < n; ++i) batch.add(data[i]);
  const int exponent = prepare(batch.max_abs());
  add_moments(batch);
  add_log(data, n);
  if (batch.nonzero() == 0) return;
  const float per_width = std::ldexp(1.0f, -exponent);
  for (size_t i = 0; i < n; ++i) {
    const float value = data[i];
    if (value == 0.0f || !std::isfinite(value)) continue;
    ++(value > 0.0f ? positive() : negative())[static_cast<int>(std::abs(value) * per_width)];
  }
}

void Histogram::add_log(const float* data, size_t n, size_t stride) {
  check(stride > 0, "a stride of 0 never ends");
  if (n > 0 && log_counts_.empty()) log_counts_.assign(kLogBins, 0);
  for (size_t i = 0; i < n; i += stride) {
    if (data[i] != 0.0f && std::isfinite(data[i])) ++log_counts_[static_cast<size_t>(log_bin(data[i]))];
  }
}

void Histogram::merge(const Histogram& other) {
  if (other.exponent_ != kUnset) {
    if (exponent_ == kUnset) {
      counts_.assign(2 * kBins, 0);
      exponent_ = other.exponent_;
    } else if (other.exponent_ > exponent_) {
      fold_to(other.exponent_);
    }
    const int shift = std::min(exponent_ - other.exponent_, 31);
    for (int k = 0; k < kBins; ++k) {
      positive()[static_cast<unsigned>(k) >> shift] += other.positive()[k];
      negative()[static_cast<unsigned>(k) >> shift] += other.negative()[k];
    }
  }
  if (!other.log_counts_.empty() && log_counts_.empty()) log_counts_.assign(kLogBins, 0);
  for (size_t i = 0; i < other.log_counts_.size(); ++i) log_counts_[i] += other.log_counts_[i];
  moments_.merge(other.moments_);
}

double Histogram::bin_width() const { return exponent_ == kUnset ? 0.0 : std::ldexp(1.0, exponent_); }

Histogram Histogram::from_parts(int exponent, Moments moments, std::vector<uint64_t> counts,
                                std::vector<uint64_t> log_counts) {
  check(counts.size() == (exponent == kUnset ? 0u : 2u * kBins), "a histogram has {} bins, got {}", 2 * kBins,
        counts.size());
  check(log_counts.empty() || log_counts.size() == kLogBins, "a histogram has {} logarithmic bins, got {}",
        static_cast<int>(kLogBins), log_counts.size());
  Histogram histogram;
  histogram.exponent_ = exponent;
  histogram.moments_ = moments;
  histogram.counts_ = std::move(counts);
  histogram.log_counts_ = std::move(log_counts);
  return histogram;
}

namespace {
// A float's exponent and upper 3 mantissa bits are its bits from 20 on; 2^-20 has the biased exponent 107.
constexpr int kFirstLogBits = 107 << 3;
}  // namespace

int log_bin(float value) {
  const uint32_t magnitude = std::bit_cast<uint32_t>(value) & 0x7fffffffu;
  return std::clamp(static_cast<int>(magnitude >> 20) - kFirstLogBits, 0, Histogram::kLogBins - 1);
}

double log_bin_edge(int bin) { return std::bit_cast<float>(static_cast<uint32_t>(bin + kFirstLogBits) << 20); }

}  // namespace tfengine::quantize
