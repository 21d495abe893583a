// SPDX-License-Identifier: Apache-2.0
#include "compiler/device_observer.h"

#include <algorithm>

#include "base/check.h"
#include "compiler/observer.h"

namespace tfengine::detail {

namespace {

using quantize::Histogram;

static_assert(plan::TensorCounts::kBins == Histogram::kBins && plan::TensorCounts::kLogBins == Histogram::kLogBins &&
              plan::TensorCounts::kUnset == Histogram::kUnset &&
              plan::TensorCounts::kMinExponent == Histogram::kMinExponent &&
              plan::TensorCounts::kMaxExponent == Histogram::kMaxExponent);

Histogram histogram_of(plan::TensorCounts counts) {
  return Histogram::from_parts(counts.exponent,
                               {counts.min, counts.max, counts.count, counts.zeros, counts.nans, counts.infs},
                               std::move(counts.bins), std::move(counts.log_bins));
}

// Parts whose peaks are noted: one for each sample, if the tensor is made of samples.
int64_t parts_of(const Shape& shape, int64_t samples) {
  if (shape.rank() == 0) return 0;
  if (samples == 1) return 1;
  return samples > 0 && shape[0] % samples == 0 ? samples : 0;
}

}  // namespace

DeviceObserver::DeviceObserver(const plan::Device& device, std::span<const std::string> tensors,
                               std::span<const std::string> averaged, quantize::HistogramSet& set)
    : tensors_(tensors.begin(), tensors.end()),
      averaged_(averaged.begin(), averaged.end()),
      set_(set),
      counter_(device.make_counter()),
      count_slots_(tensors_.size(), ir::kNone),
      sum_slots_(averaged_.size(), ir::kNone),
      channels_(averaged_.size(), 0),
      rows_(averaged_.size(), 0),
      broken_(averaged_.size(), false) {}

void DeviceObserver::find_counted(const PlanTensors& named, const plan::Plan& plan, Places& places) {
  noted_.clear();
  int64_t peaks = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const auto found = named.find(tensors_[i]);
    if (!found || plan.graph.value(found->value).dtype != DType::F32) continue;
    (void)set_.tensors[tensors_[i]];  // without a value it is empty
    const plan::TensorDesc& desc = plan.descs[static_cast<size_t>(found->value)];
    if (desc.shape.elements() == 0) continue;
    check(desc.dtype == DType::F32 && desc.dense(), "'{}' is not kept as dense floats", tensors_[i]);
    if (count_slots_[i] == ir::kNone) count_slots_[i] = counter_->add_counts();
    const Counted counted{found->value, i, parts_of(desc.shape, samples_), peaks};
    peaks += counted.peaks;
    places.counted.at(found->step).push_back(counted);
    noted_.push_back(counted);
  }
  counter_->reserve_peaks(static_cast<size_t>(peaks));
}

void DeviceObserver::find_summed(const PlanTensors& named, const plan::Plan& plan, Places& places) {
  summed_.clear();
  for (size_t i = 0; i < averaged_.size(); ++i) {
    const auto found = named.find(averaged_[i]);
    if (!found || plan.graph.value(found->value).dtype != DType::F32) continue;
    (void)set_.channel_sums[averaged_[i]];
    const plan::TensorDesc& desc = plan.descs[static_cast<size_t>(found->value)];
    if (desc.shape.elements() == 0 || desc.shape.rank() < 2) continue;
    check(desc.dtype == DType::F32 && desc.dense(), "'{}' is not kept as dense floats", averaged_[i]);
    const int64_t samples = desc.shape[0], channels = desc.shape.back();
    const std::vector<int64_t> taken =
        quantize::ChannelSums::rows_of_sample(desc.shape.elements() / channels / samples);
    if (sum_slots_[i] == ir::kNone) {
      sum_slots_[i] = counter_->add_sums(channels);
      channels_[i] = channels;
    }
    if (channels_[i] != channels) {
      broken_[i] = true;
      continue;
    }
    const Summed summed{found->value, i, counter_->add_rows(taken), static_cast<uint64_t>(samples) * taken.size()};
    places.summed.at(found->step).push_back(summed);
    summed_.push_back(summed);
  }
}

void DeviceObserver::look_at(const runtime::PreparedPlan& prepared, int64_t samples) {
  samples_ = samples;
  const plan::Plan& plan = prepared.plan;
  const auto places = std::make_shared<Places>(
      Places{TensorPlaces<Counted>(plan.steps.size()), TensorPlaces<Summed>(plan.steps.size())});
  const PlanTensors named(plan);
  find_counted(named, plan, *places);
  find_summed(named, plan, *places);
  const auto last = static_cast<int>(plan.steps.size()) - 1;
  tap_ = std::make_shared<const plan::Tap>(
      [this, places, last](const plan::RunningPlan& running, int step, plan::Queue& queue) {
        tap_into(*places, running, step, queue);
        if (step == last) counter_->finish(queue);
      });
}

void DeviceObserver::tap_into(const Places& places, const plan::RunningPlan& running, int step,
                              plan::Queue& queue) const {
  const auto desc_of = [&](ir::ValueId id) -> const plan::TensorDesc& {
    return running.plan().descs[static_cast<size_t>(id)];
  };
  for (const Counted& counted : places.counted.at(step)) {
    const Shape& shape = desc_of(counted.value).shape;
    plan::CountTask task;
    task.slot = count_slots_[counted.tensor];
    task.data = static_cast<const float*>(running.address(counted.value));
    task.samples = shape.rank() > 1 ? shape[0] : 1;
    task.elements = shape.elements() / task.samples;
    task.log_stride = log_stride(task.elements);
    task.peaks = static_cast<int>(counted.peaks);
    task.first_peak = static_cast<int>(counted.first_peak);
    counter_->count(queue, task);
  }
  for (const Summed& summed : places.summed.at(step)) {
    const Shape& shape = desc_of(summed.value).shape;
    plan::SumTask task;
    task.slot = sum_slots_[summed.tensor];
    task.data = static_cast<const float*>(running.address(summed.value));
    task.samples = shape[0];
    task.channels = shape.back();
    task.rows_per_sample = shape.elements() / task.channels / task.samples;
    task.rows = summed.rows;
    counter_->sum(queue, task);
  }
}

void DeviceObserver::ran() {
  for (const Summed& summed : summed_) rows_[summed.tensor] += summed.rows_per_run;
  peaks_.assign(static_cast<size_t>(samples_) * tensors_.size(), quantize::SampleRecord::kUnseen);
  const std::span<const float> found = counter_->peaks();
  for (const Counted& counted : noted_) {
    for (int64_t n = 0; n < counted.peaks; ++n) {
      peaks_[static_cast<size_t>(n) * tensors_.size() + counted.tensor] =
          found[static_cast<size_t>(counted.first_peak + n)];
    }
  }
}

std::span<const float> DeviceObserver::peaks_of_sample(int64_t sample) const {
  return std::span(peaks_).subspan(static_cast<size_t>(sample) * tensors_.size(), tensors_.size());
}

void DeviceObserver::collect() {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (count_slots_[i] == ir::kNone) continue;
    plan::TensorCounts counts = counter_->take_counts(count_slots_[i]);
    if (counts.count > 0) set_.tensors[tensors_[i]].merge(histogram_of(std::move(counts)));
  }
  for (size_t i = 0; i < averaged_.size(); ++i) {
    if (rows_[i] == 0 && !broken_[i]) continue;
    plan::TensorSums sums = counter_->take_sums(sum_slots_[i]);
    set_.channel_sums[averaged_[i]].merge(
        quantize::ChannelSums::from_parts(std::move(sums.sums), rows_[i], sums.broken || broken_[i]));
    rows_[i] = 0;
  }
}

}  // namespace tfengine::detail
