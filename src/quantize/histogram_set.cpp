// SPDX-License-Identifier: Apache-2.0
#include "quantize/histogram_set.h"

#include <cmath>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/mapped_file.h"
#include "quantize/bytes.h"

namespace tfengine::quantize {

namespace {

constexpr std::string_view kMagic = "TFEHISTO";
constexpr uint64_t kVersion = 4;
// Far above any real graph; bounds the memory that a small hostile file can ask for to 700 MB.
constexpr uint64_t kMostTensors = 20'000;
// As many as the widest layers have, hundredfold.
constexpr uint64_t kMostChannels = 10'000'000;

// Most bins are empty: a zero is followed by the number of zeros after it.
void write_counts(ByteWriter& out, const uint64_t* counts, size_t n) {
  for (size_t i = 0; i < n;) {
    out.varint(counts[i]);
    if (counts[i++] != 0) continue;
    size_t run = 0;
    while (i < n && counts[i] == 0) {
      ++run;
      ++i;
    }
    out.varint(run);
  }
}

std::vector<uint64_t> read_counts(ByteReader& in, size_t n) {
  std::vector<uint64_t> counts(n, 0);
  for (size_t i = 0; i < n;) {
    counts[i] = in.varint();
    if (counts[i++] != 0) continue;
    const uint64_t run = in.varint();
    if (run > n - i) fail<InvalidModel>("{}: {} empty bins where only {} are left", in.what(), run, n - i);
    i += run;
  }
  return counts;
}

void write_histogram(ByteWriter& out, const Histogram& histogram) {
  const Moments& moments = histogram.moments();
  out.f32(moments.min);
  out.f32(moments.max);
  for (const uint64_t count : {moments.count, moments.zeros, moments.nans, moments.infs}) out.varint(count);
  const bool counted = histogram.exponent() != Histogram::kUnset;
  const bool has_log = !histogram.log_counts().empty();
  out.fixed((counted ? 1u : 0u) | (has_log ? 2u : 0u), 1);
  if (counted) {
    out.fixed(static_cast<uint64_t>(histogram.exponent() - Histogram::kMinExponent), 1);
    write_counts(out, histogram.positive(), Histogram::kBins);
    write_counts(out, histogram.negative(), Histogram::kBins);
  }
  if (has_log) write_counts(out, histogram.log_counts().data(), Histogram::kLogBins);
}

// What arithmetic on the histogram relies on.
void validate(const ByteReader& in, const std::string& name, const Moments& moments, int exponent,
              const std::vector<uint64_t>& counts, const std::vector<uint64_t>& log_counts) {
  uint64_t left = moments.count;
  const auto subtract = [&](uint64_t part) {
    if (part > left) fail<InvalidModel>("{}: counts of tensor '{}' do not add up", in.what(), name);
    left -= part;
  };
  for (const uint64_t part : {moments.zeros, moments.nans, moments.infs}) subtract(part);
  const bool any = moments.finite() > 0;
  const bool ordered = any ? std::isfinite(moments.min) && std::isfinite(moments.max) && moments.min <= moments.max
                           : std::isinf(moments.min) && std::isinf(moments.max);
  if (!ordered) {
    fail<InvalidModel>("{}: tensor '{}' has the range [{}, {}], expected finite and ordered bounds", in.what(), name,
                       moments.min, moments.max);
  }
  // Solvers lay their bins over the range: it must be one that the counted bins cover.
  const double largest = any ? std::max(std::abs(double{moments.min}), std::abs(double{moments.max})) : 0.0;
  const double covered = exponent == Histogram::kUnset ? 0.0 : std::ldexp(Histogram::kBins, exponent);
  if (moments.nonzero() == 0 ? largest != 0.0 : largest == 0.0 || largest >= covered) {
    fail<InvalidModel>("{}: tensor '{}' has the range [{}, {}], but its bins end at {}", in.what(), name, moments.min,
                       moments.max, covered);
  }
  for (const uint64_t part : counts) subtract(part);
  if (left != 0) fail<InvalidModel>("{}: counts of tensor '{}' do not add up", in.what(), name);
  left = moments.nonzero();
  for (const uint64_t part : log_counts) subtract(part);
}

Histogram read_histogram(ByteReader& in, const std::string& name) {
  Moments moments;
  moments.min = in.f32();
  moments.max = in.f32();
  for (uint64_t* count : {&moments.count, &moments.zeros, &moments.nans, &moments.infs}) *count = in.varint();
  const uint64_t flags = in.fixed(1);
  if (flags > 3) fail<InvalidModel>("{}: tensor '{}' has unknown flags {}", in.what(), name, flags);
  int exponent = Histogram::kUnset;
  std::vector<uint64_t> counts;
  if ((flags & 1) != 0) {
    exponent = static_cast<int>(in.fixed(1)) + Histogram::kMinExponent;
    if (exponent > Histogram::kMaxExponent) {
      fail<InvalidModel>("{}: tensor '{}' has the bin exponent {}, expected at most {}", in.what(), name, exponent,
                         static_cast<int>(Histogram::kMaxExponent));
    }
    counts = read_counts(in, Histogram::kBins);
    const std::vector<uint64_t> negative = read_counts(in, Histogram::kBins);
    counts.insert(counts.end(), negative.begin(), negative.end());
  }
  std::vector<uint64_t> log_counts;
  if ((flags & 2) != 0) log_counts = read_counts(in, Histogram::kLogBins);
  validate(in, name, moments, exponent, counts, log_counts);
  return Histogram::from_parts(exponent, moments, std::move(counts), std::move(log_counts));
}

void write_channel_sums(ByteWriter& out, const ChannelSums& sums) {
  out.fixed(sums.broken() ? 1 : 0, 1);
  out.varint(sums.rows());
  out.varint(sums.sums().size());
  for (const ChannelSums::Fixed sum : sums.sums()) {
    out.fixed(static_cast<uint64_t>(sum), 8);
    out.fixed(static_cast<uint64_t>(sum >> 64), 8);
  }
}

ChannelSums read_channel_sums(ByteReader& in, const std::string& name) {
  const uint64_t broken = in.fixed(1);
  const uint64_t rows = in.varint();
  const uint64_t channels = in.varint();
  if (broken > 1 || channels > kMostChannels || channels > in.left() / 16) {
    fail<InvalidModel>("{}: the channel sums of tensor '{}' are malformed", in.what(), name);
  }
  std::vector<ChannelSums::Fixed> sums(channels);
  for (ChannelSums::Fixed& sum : sums) {
    const uint64_t low = in.fixed(8);
    sum = static_cast<ChannelSums::Fixed>(static_cast<unsigned __int128>(in.fixed(8)) << 64 | low);
  }
  return ChannelSums::from_parts(std::move(sums), rows, broken == 1);
}

GivenRange read_given(ByteReader& in, const std::string& name) {
  GivenRange range;
  range.max_abs = in.f32();
  range.non_negative = in.fixed(1) != 0;
  range.origin = in.string();
  if (!std::isfinite(range.max_abs) || range.max_abs < 0.0f) {
    fail<InvalidModel>("{}: tensor '{}' has the given range {}, expected a finite number of at least 0", in.what(),
                       name, range.max_abs);
  }
  return range;
}

}  // namespace

void HistogramSet::merge(const HistogramSet& other) {
  if (model_hash != other.model_hash || preprocessing_hash != other.preprocessing_hash) {
    fail<InvalidArgument>("histograms of different runs cannot be merged: model {} and {}, preprocessing {} and {}",
                          model_hash, other.model_hash, preprocessing_hash, other.preprocessing_hash);
  }
  for (const auto& [name, histogram] : other.tensors) tensors[name].merge(histogram);
  for (const auto& [name, sums] : other.channel_sums) channel_sums[name].merge(sums);
  given.insert(other.given.begin(), other.given.end());
  samples_seen.merge(other.samples_seen);
  samples += other.samples;
}

ChannelMeans HistogramSet::channel_means() const {
  ChannelMeans means;
  for (const auto& [name, sums] : channel_sums) {
    if (std::vector<float> found = sums.means(); !found.empty()) means.emplace(name, std::move(found));
  }
  return means;
}

std::string serialize(const HistogramSet& set) {
  ByteWriter out = begin_block(kMagic, kVersion);
  out.string(set.model_hash);
  out.string(set.preprocessing_hash);
  out.varint(set.samples);
  out.varint(set.tensors.size());
  for (const auto& [name, histogram] : set.tensors) {
    out.string(name);
    write_histogram(out, histogram);
  }
  out.varint(set.channel_sums.size());
  for (const auto& [name, sums] : set.channel_sums) {
    out.string(name);
    write_channel_sums(out, sums);
  }
  out.varint(set.given.size());
  for (const auto& [name, range] : set.given) {
    out.string(name);
    out.f32(range.max_abs);
    out.fixed(range.non_negative ? 1 : 0, 1);
    out.string(range.origin);
  }
  set.samples_seen.write(out);
  return end_block(std::move(out));
}

HistogramSet parse_histogram_set(std::string_view bytes, const std::string& what) {
  ByteReader in = open_block(bytes, kMagic, kVersion, "a file of calibration histograms", what);
  HistogramSet set;
  set.model_hash = in.string();
  set.preprocessing_hash = in.string();
  set.samples = in.varint();
  const uint64_t tensors = in.varint();
  if (tensors > kMostTensors) fail<InvalidModel>("{}: {} tensors, expected at most {}", what, tensors, kMostTensors);
  for (uint64_t i = 0; i < tensors; ++i) {
    const std::string name = in.string();
    if (!set.tensors.emplace(name, read_histogram(in, name)).second) {
      fail<InvalidModel>("{}: tensor '{}' is there twice", what, name);
    }
  }
  const uint64_t averaged = in.varint();
  if (averaged > kMostTensors) fail<InvalidModel>("{}: {} tensors, expected at most {}", what, averaged, kMostTensors);
  for (uint64_t i = 0; i < averaged; ++i) {
    const std::string name = in.string();
    if (!set.channel_sums.emplace(name, read_channel_sums(in, name)).second) {
      fail<InvalidModel>("{}: the channel sums of tensor '{}' are there twice", what, name);
    }
  }
  const uint64_t given = in.varint();
  if (given > kMostTensors) fail<InvalidModel>("{}: {} given ranges, expected at most {}", what, given, kMostTensors);
  for (uint64_t i = 0; i < given; ++i) {
    const std::string name = in.string();
    if (!set.given.emplace(name, read_given(in, name)).second) {
      fail<InvalidModel>("{}: the range of tensor '{}' is given twice", what, name);
    }
  }
  set.samples_seen = SampleLog::read(in);
  if (in.left() != 0) fail<InvalidModel>("{}: {} bytes too many", what, in.left());
  return set;
}

void save_histogram_set(const HistogramSet& set, const std::string& path) {
  write_file_atomically(path, serialize(set));
}

HistogramSet load_histogram_set(const std::string& path) {
  return parse_histogram_set(MappedFile::open(path)->text(), "'" + path + "'");
}

}  // namespace tfengine::quantize
