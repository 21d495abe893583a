// SPDX-License-Identifier: Apache-2.0
#include "compiler/observer.h"

#include "base/host_memory.h"
#include "kernels/histogram.h"
#include "kernels/peak.h"
#include "kernels/sum_rows.h"

namespace tfengine::detail {

namespace {

// Values of each sample that also go to the logarithmic histogram, evenly spread.
constexpr int64_t kLogSamples = 1024;

quantize::Moments converted(const kernels::Moments& m) { return {m.min, m.max, m.count, m.zeros, m.nans, m.infs}; }

}  // namespace

int64_t log_stride(int64_t elements) { return std::max<int64_t>(1, elements / kLogSamples); }

Observer::Observer(int threads, std::span<const std::string> tensors, std::span<const std::string> averaged,
                   quantize::HistogramSet& set)
    : threads_(threads),
      tensors_(tensors.begin(), tensors.end()),
      averaged_(averaged.begin(), averaged.end()),
      set_(set),
      places_([this](const plan::Plan& plan, TensorPlaces<Target>& places) { find_targets(plan, places); }),
      workspace_(host_bytes(kernels::histogram_workspace_bytes(threads), "calibration", HostBytes::Uninitialized)) {}

void Observer::find_targets(const plan::Plan& plan, TensorPlaces<Target>& places) {
  const PlanTensors named(plan);
  const auto add = [&](const std::string& name, auto&& target_of) {
    const auto found = named.find(name);
    if (!found || plan.graph.value(found->value).dtype != DType::F32) return;
    places.at(found->step).push_back(target_of(found->value));
  };
  for (size_t i = 0; i < tensors_.size(); ++i) {
    add(tensors_[i], [&](ir::ValueId id) { return Target{id, &set_.tensors[tensors_[i]], nullptr, i}; });
  }
  for (const std::string& name : averaged_) {
    add(name, [&](ir::ValueId id) { return Target{id, nullptr, &set_.channel_sums[name]}; });
  }
}

void Observer::look_at(const runtime::PreparedPlan& prepared) {
  runtime::for_each_plan(prepared, [&](const runtime::PreparedPlan& inner) { places_.at(inner.plan, -1); });
}

plan::Watch Observer::watch(int64_t samples) {
  samples_ = samples;
  peaks_.assign(static_cast<size_t>(samples) * tensors_.size(), quantize::SampleRecord::kUnseen);
  return [this](const plan::RunningPlan& running, int step, double) {
    for (const Target& target : places_.at(running.plan(), step)) observe(running, target);
  };
}

void Observer::observe(const plan::RunningPlan& running, const Target& target) {
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
  return std::span(peaks_).subspan(static_cast<size_t>(sample) * tensors_.size(), tensors_.size());
}

// Tensors inside of loops come again in one run.
void Observer::note_peak(int64_t sample, size_t tensor, float peak) {
  float& largest = peaks_[static_cast<size_t>(sample) * tensors_.size() + tensor];
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
  const int64_t stride = log_stride(elements);
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
