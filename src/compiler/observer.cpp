// SPDX-License-Identifier: Apache-2.0
#include "compiler/observer.h"

#include <utility>

#include "base/host_memory.h"
#include "kernels/histogram.h"
#include "kernels/peak.h"
#include "kernels/sum_rows.h"

namespace tfengine::detail {

namespace {

// Values of each sample that also go to the logarithmic histogram, evenly spread: enough for its percentiles, and the
// same ones however samples are batched.
constexpr int64_t kLogSamples = 1024;

quantize::Moments converted(const kernels::Moments& m) { return {m.min, m.max, m.count, m.zeros, m.nans, m.infs}; }

}  // namespace

Observer::Observer(const runtime::PreparedPlan& prepared, std::span<const std::string> tensors,
                   std::span<const std::string> averaged, quantize::HistogramSet& set)
    : threads_(prepared.plan.threads),
      workspace_(host_bytes(kernels::histogram_workspace_bytes(prepared.plan.threads), "calibration",
                            HostBytes::Uninitialized)),
      tensors_(tensors.size()) {
  runtime::for_each_plan(prepared,
                         [&](const runtime::PreparedPlan& inner) { find_targets(inner.plan, tensors, averaged, set); });
}

void Observer::find_targets(const plan::Plan& plan, std::span<const std::string> tensors,
                            std::span<const std::string> averaged, quantize::HistogramSet& set) {
  TensorPlaces<size_t>& places = places_.try_emplace(&plan, plan.steps.size()).first->second;
  const PlanTensors named(plan);
  const auto add = [&](const std::string& name, auto&& target_of) {
    const auto found = named.find(name);
    if (!found || plan.graph.value(found->value).dtype != DType::F32) return;
    targets_.push_back(target_of(found->value));
    places.at(found->step).push_back(targets_.size() - 1);
  };
  for (size_t i = 0; i < tensors.size(); ++i) {
    add(tensors[i], [&](ir::ValueId id) { return Target{id, &set.tensors[tensors[i]], nullptr, i}; });
  }
  for (const std::string& name : averaged) {
    add(name, [&](ir::ValueId id) { return Target{id, nullptr, &set.channel_sums[name]}; });
  }
}

void Observer::run(runtime::Context& context, std::span<const void* const> inputs, std::span<void* const> outputs,
                   int64_t samples) {
  samples_ = samples;
  peaks_.assign(static_cast<size_t>(samples) * tensors_, quantize::SampleRecord::kUnseen);
  context.run_observed(inputs, outputs, [&](const plan::RunningPlan& running, int step, double) {
    for (const size_t target : std::as_const(places_).at(&running.plan()).at(step)) observe(running, target);
  });
}

void Observer::observe(const plan::RunningPlan& running, size_t index) {
  const Target& target = targets_[index];
  const plan::TensorDesc& desc = running.plan().descs[static_cast<size_t>(target.value)];
  if (desc.shape.elements() == 0) return;
  const auto* data = static_cast<const float*>(running.address(target.value));
  if (target.histogram != nullptr) {
    const kernels::Moments moments = count(desc, data, *target.histogram);
    return add_peaks(desc, data, target.tensor, moments);
  }
  if (desc.shape.rank() >= 2) add_sums(desc, data, *target.sums);
}

std::span<const float> Observer::peaks_of_sample(int64_t sample) const {
  return std::span(peaks_).subspan(static_cast<size_t>(sample) * tensors_, tensors_);
}

// Tensors inside of loops come again in one run.
void Observer::note_peak(int64_t sample, size_t tensor, float peak) {
  float& largest = peaks_[static_cast<size_t>(sample) * tensors_ + tensor];
  largest = largest == quantize::SampleRecord::kUnseen ? peak : std::max(largest, peak);
}

void Observer::add_peaks(const plan::TensorDesc& desc, const float* data, size_t tensor,
                         const kernels::Moments& moments) {
  if (desc.shape.rank() == 0) return;
  if (samples_ == 1) {
    return note_peak(0, tensor, converted(moments).max_abs());
  }
  // Tensors of a batch may have samples and other things in one dimension, as [batch * time, ...].
  if (samples_ == 0 || desc.shape[0] % samples_ != 0) return;
  const int64_t channels = desc.shape.back();
  const int64_t rows = desc.shape.elements() / channels / samples_;
  if (desc.shape.rank() == 1) {
    // The last dimension is that of the samples.
    const int64_t size = desc.shape[0] / samples_;
    for (int64_t n = 0; n < samples_; ++n) {
      note_peak(n, tensor, kernels::peak_magnitude(data + n * size, 1, size, size, 1));
    }
    return;
  }
  for (int64_t n = 0; n < samples_; ++n) {
    note_peak(
        n, tensor,
        kernels::peak_magnitude(data + n * rows * desc.pixel_stride, rows, channels, desc.pixel_stride, threads_));
  }
}

void Observer::add_sums(const plan::TensorDesc& desc, const float* data, quantize::ChannelSums& sums) {
  const int64_t samples = desc.shape[0], channels = desc.shape.back();
  const int64_t rows = desc.shape.elements() / channels / samples;
  const std::vector<int64_t> taken = quantize::ChannelSums::rows_of_sample(rows);
  sample_.resize(static_cast<size_t>(channels));
  for (int64_t n = 0; n < samples; ++n) {
    kernels::sum_rows(data + n * rows * desc.pixel_stride, desc.pixel_stride, taken, channels, sample_.data(),
                      threads_);
    sums.add(sample_, taken.size());
  }
}

kernels::Moments Observer::count(const plan::TensorDesc& desc, const float* data, quantize::Histogram& histogram) {
  const int64_t elements = desc.shape.elements();
  const int64_t channels = desc.shape.rank() == 0 ? 1 : desc.shape.back();
  kernels::Moments moments = kernels::empty_moments();
  const auto prepare = [&](float max_abs) {
    const int exponent = histogram.prepare(max_abs);
    return kernels::HistogramSink{exponent, histogram.positive(), histogram.negative()};
  };
  kernels::histogram_add({data, elements / channels, channels, desc.pixel_stride}, histogram.exponent(), prepare,
                         moments, workspace_.get(), threads_);
  histogram.add_moments(converted(moments));
  const int64_t samples = desc.shape.rank() > 1 ? desc.shape[0] : 1;
  for (int64_t n = 0; n < samples; ++n) add_log(desc, data, n, elements / samples, histogram);
  return moments;
}

void Observer::add_log(const plan::TensorDesc& desc, const float* data, int64_t n, int64_t elements,
                       quantize::Histogram& histogram) {
  const int64_t stride = std::max<int64_t>(1, elements / kLogSamples);
  const int64_t first = n * elements;
  if (desc.dense()) {
    return histogram.add_log(data + first, static_cast<size_t>(elements), static_cast<size_t>(stride));
  }
  const int64_t channels = desc.shape.back();
  sample_.clear();
  for (int64_t at = first; at < first + elements; at += stride) {
    sample_.push_back(data[at / channels * desc.pixel_stride + at % channels]);
  }
  histogram.add_log(sample_.data(), sample_.size());
}

}  // namespace tfengine::detail
