// SPDX-License-Identifier: Apache-2.0
#include "quantize/channel_sums.h"

#include <algorithm>
#include <cmath>

namespace tfengine::quantize {

namespace {

// Beyond this a sum could leave 128 bits when many are added.
constexpr double kLargestSum = 0x1p60;

// The i-th of the rows looked at: one out of each `step`, at a place that follows no pattern of the image's own.
int64_t row_of(int64_t i, int64_t step) {
  const uint32_t mixed = static_cast<uint32_t>(i) * 0x9e3779b1u;  // 2^32 / golden ratio
  return i * step + static_cast<int64_t>((uint64_t{mixed} * static_cast<uint64_t>(step)) >> 32);
}

}  // namespace

void ChannelSums::set_broken() {
  broken_ = true;
  sums_.clear();
  rows_ = 0;
}

std::vector<int64_t> ChannelSums::rows_of_sample(int64_t rows) {
  const int64_t step = std::max<int64_t>(1, rows / kRowsPerSample);
  std::vector<int64_t> taken(static_cast<size_t>(rows / step));
  for (size_t i = 0; i < taken.size(); ++i) taken[i] = row_of(static_cast<int64_t>(i), step);
  return taken;
}

void ChannelSums::add(std::span<const float> sample, size_t rows) {
  if (broken_ || rows == 0 || sample.empty()) return;
  if (sums_.empty()) sums_.assign(sample.size(), 0);
  const auto usable = [](float sum) { return std::abs(static_cast<double>(sum)) < kLargestSum; };  // false for NaN
  if (sums_.size() != sample.size() || !std::all_of(sample.begin(), sample.end(), usable)) return set_broken();
  for (size_t c = 0; c < sample.size(); ++c) {
    const auto fixed = static_cast<Fixed>(std::ldexp(static_cast<double>(sample[c]), kFractionBits));
    if (__builtin_add_overflow(sums_[c], fixed, &sums_[c])) return set_broken();
  }
  rows_ += rows;
}

void ChannelSums::add_sample(const float* data, int64_t rows, int64_t channels, int64_t stride) {
  const std::vector<int64_t> taken = rows_of_sample(rows);
  std::vector<float> sample(static_cast<size_t>(channels), 0.0f);
  for (const int64_t row : taken) {
    for (int64_t c = 0; c < channels; ++c) sample[static_cast<size_t>(c)] += data[row * stride + c];
  }
  add(sample, taken.size());
}

void ChannelSums::merge(const ChannelSums& other) {
  if (broken_ || (other.sums_.empty() && !other.broken_)) return;
  if (sums_.empty()) {
    *this = other;
    return;
  }
  if (other.broken_ || other.sums_.size() != sums_.size()) return set_broken();
  // Sums that were counted stay far below; those of a file may be anything.
  for (size_t c = 0; c < sums_.size(); ++c) {
    if (__builtin_add_overflow(sums_[c], other.sums_[c], &sums_[c])) return set_broken();
  }
  rows_ += other.rows_;
}

std::vector<float> ChannelSums::means() const {
  std::vector<float> means(channels());
  if (rows_ == 0) return {};
  for (size_t c = 0; c < means.size(); ++c) {
    means[c] =
        static_cast<float>(std::ldexp(static_cast<double>(sums_[c]), -kFractionBits) / static_cast<double>(rows_));
  }
  return means;
}

ChannelSums ChannelSums::from_parts(std::vector<Fixed> sums, uint64_t rows, bool broken) {
  ChannelSums result;
  result.sums_ = std::move(sums);
  result.rows_ = rows;
  if (broken) result.set_broken();
  return result;
}

}  // namespace tfengine::quantize
