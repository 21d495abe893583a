// SPDX-License-Identifier: Apache-2.0
// The histograms of all tensors of one model over one data set: what calibration leaves behind. Saved, it lets any
// calibrator be tried later without running the model again; sets of several workers merge exactly.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "quantize/channel_means.h"
#include "quantize/channel_sums.h"
#include "quantize/histogram.h"
#include "quantize/sample_log.h"

namespace tfengine::quantize {

// A range that the graph itself gives: no histogram is needed for it.
struct GivenRange {
  float max_abs = 0.0f;
  bool non_negative = false;
  std::string origin;  // the node that gives it
  bool operator==(const GivenRange&) const = default;
};

struct HistogramSet {
  std::map<std::string, Histogram> tensors;
  // Of the tensors that weights are applied to, for bias_correction.h.
  std::map<std::string, ChannelSums> channel_sums;
  std::map<std::string, GivenRange> given;
  SampleLog samples_seen;
  std::string model_hash;          // of the graph that was run
  std::string preprocessing_hash;  // of how the data were decoded and scaled
  uint64_t samples = 0;

  // InvalidArgument when the two come of different models or preprocessing.
  void merge(const HistogramSet& other);
  // Of the tensors whose sums are usable.
  ChannelMeans channel_means() const;
  bool operator==(const HistogramSet&) const = default;
};

// One versioned block of bytes with a checksum; `what` names it in messages. InvalidModel when it is malformed.
std::string serialize(const HistogramSet& set);
HistogramSet parse_histogram_set(std::string_view bytes, const std::string& what);

void save_histogram_set(const HistogramSet& set, const std::string& path);
HistogramSet load_histogram_set(const std::string& path);

}  // namespace tfengine::quantize
