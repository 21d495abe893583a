// SPDX-License-Identifier: Apache-2.0
// What observer.h does for plans on a device: the device counts the tensors where they lie, as a part of the run that is recorded,
// and the host fetches the counts at the end.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "compiler/tensor_places.h"
#include "plan/tensor_counter.h"
#include "quantize/histogram_set.h"
#include "runtime/context.h"

namespace tfengine::detail {

class DeviceObserver {
 public:
  // `tensors`: names of F32 values to count, `averaged`: to sum by channel; those that a plan does not have are left out.
  DeviceObserver(const plan::Device& device, std::span<const std::string> tensors,
                 std::span<const std::string> averaged, quantize::HistogramSet& set);

  // The runs that follow are of this plan, on `samples` samples each. It keeps its tensors (PlanOptions::keep_all) and has
  // no regions.
  void look_at(const runtime::PreparedPlan& prepared, int64_t samples);
  // For Context::run_tapped.
  const std::shared_ptr<const plan::Tap>& tap() const { return tap_; }
  // Notes that a run is over.
  void ran();
  // Of the last run, as Observer::peaks_of_sample.
  std::span<const float> peaks_of_sample(int64_t sample) const;
  // Adds to the set what was counted since the last time.
  void collect();

 private:
  struct Counted {
    ir::ValueId value;
    size_t tensor;  // index into tensors_
    int64_t peaks, first_peak;
  };
  struct Summed {
    ir::ValueId value;
    size_t tensor;  // index into averaged_
    int rows;       // TensorCounter::add_rows()
    uint64_t rows_per_run;
  };
  struct Places {
    TensorPlaces<Counted> counted;
    TensorPlaces<Summed> summed;
  };
  void find_counted(const PlanTensors& named, const plan::Plan& plan, Places& places);
  void find_summed(const PlanTensors& named, const plan::Plan& plan, Places& places);
  void tap_into(const Places& places, const plan::RunningPlan& running, int step, plan::Queue& queue) const;

  std::vector<std::string> tensors_, averaged_;
  quantize::HistogramSet& set_;
  std::unique_ptr<plan::TensorCounter> counter_;
  std::vector<int> count_slots_, sum_slots_;  // by tensor; kNone: not seen yet
  std::vector<int64_t> channels_;             // by averaged tensor
  std::vector<uint64_t> rows_;                // that were added up since the last collect(), likewise
  std::vector<bool> broken_;                  // it had another number of channels in another plan
  std::shared_ptr<const plan::Tap> tap_;
  std::vector<Counted> noted_;  // of the plan
  std::vector<Summed> summed_;
  int64_t samples_ = 0;
  std::vector<float> peaks_;
};

}  // namespace tfengine::detail
