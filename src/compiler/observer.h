// SPDX-License-Identifier: Apache-2.0
// Fills histograms with the tensors of plans while they run: each tensor right behind the step that makes it, before
// later steps reuse its memory.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "compiler/tensor_places.h"
#include "kernels/histogram.h"
#include "quantize/histogram_set.h"
#include "runtime/context.h"

namespace tfengine::detail {

// Of the values of a sample, those at multiples of this are counted logarithmically: enough for percentiles, and the same ones
// however samples are batched.
int64_t log_stride(int64_t elements);

class Observer {
 public:
  // `tensors`: names of F32 values to count, `averaged`: to sum by channel; those that a plan does not have are left out.
  Observer(int threads, std::span<const std::string> tensors, std::span<const std::string> averaged,
           quantize::HistogramSet& set);
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  // Finds what the plan has, and the plans of its steps: tensors that no run makes have histograms, too, empty ones. Plans that
  // stand behind it are looked at as they come.
  void look_at(const runtime::PreparedPlan& prepared);
  // Watches one run on `samples` samples and counts.
  plan::Watch watch(int64_t samples);
  // Of the last run: by sample, then by `tensors`, the largest finite |x|; SampleRecord::kUnseen for tensors that no plan
  // has, or that are not made of samples.
  std::span<const float> peaks_of_sample(int64_t sample) const;

 private:
  // One of the two is null.
  struct Target {
    ir::ValueId value;
    quantize::Histogram* histogram;
    quantize::ChannelSums* sums;
    size_t tensor = 0;  // index into `tensors_`, of one with a histogram
  };
  void find_targets(const plan::Plan& plan, TensorPlaces<Target>& places);
  void observe(const plan::RunningPlan& running, const Target& target);
  // The moments of all of it.
  kernels::Moments count(const plan::TensorDesc& desc, const float* data, quantize::Histogram& histogram);
  // Of sample `n` with `elements` values.
  void add_log(const plan::TensorDesc& desc, const float* data, int64_t n, int64_t elements,
               quantize::Histogram& histogram);
  void add_peaks(const plan::TensorDesc& desc, const float* data, size_t tensor, const kernels::Moments& moments);
  void note_peak(int64_t sample, size_t tensor, float peak);
  void add_sums(const plan::TensorDesc& desc, const float* data, quantize::ChannelSums& sums);

  int threads_;
  std::vector<std::string> tensors_, averaged_;
  quantize::HistogramSet& set_;
  PlansPlaces<Target> places_;
  std::shared_ptr<void> workspace_;
  int64_t samples_ = 0;
  std::vector<float> peaks_;
  std::vector<float> sample_;  // of one sample: channel sums, or values for the logarithmic bins
};

}  // namespace tfengine::detail
