// SPDX-License-Identifier: Apache-2.0
// Per-channel sums of an activation over the calibration data: what the mean error of quantized weights is computed from
// (bias_correction.h). Sums are fixed-point integers, so that they do not depend on the order of batches or workers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tfengine::quantize {

class ChannelSums {
 public:
  // Multiples of 2^-40. 128 bits hold 2^87 then: more than any activation times any number of samples.
  using Fixed = __int128;
  static constexpr int kFractionBits = 40;
  // Rows that are looked at in one sample: the mean of an image's channel over so many places is as good as over all.
  static constexpr int64_t kRowsPerSample = 256;

  // The rows that are looked at in a sample of `rows` rows.
  static std::vector<int64_t> rows_of_sample(int64_t rows);
  // One sample: by channel, the sum over `rows` rows. A sample with other channels than the first, or whose sums are not
  // finite, makes the whole unusable: channels() is then 0.
  void add(std::span<const float> sample, size_t rows);
  // The same from the sample itself, plain and portable: `rows` rows of `channels` floats, `stride` apart.
  void add_sample(const float* data, int64_t rows, int64_t channels, int64_t stride);
  void merge(const ChannelSums& other);

  size_t channels() const { return broken_ ? 0 : sums_.size(); }
  uint64_t rows() const { return rows_; }
  std::span<const Fixed> sums() const { return sums_; }
  bool broken() const { return broken_; }
  // By channel; empty when nothing usable was added.
  std::vector<float> means() const;
  bool operator==(const ChannelSums&) const = default;

  // For readers of stored sums.
  static ChannelSums from_parts(std::vector<Fixed> sums, uint64_t rows, bool broken);

 private:
  void set_broken();

  std::vector<Fixed> sums_;
  uint64_t rows_ = 0;
  bool broken_ = false;
};

}  // namespace tfengine::quantize
