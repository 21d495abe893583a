// SPDX-License-Identifier: Apache-2.0
// Fills histograms with the tensors of one plan while it runs: each tensor right behind the step that makes it, before
// later steps reuse its memory.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "quantize/histogram_set.h"
#include "runtime/context.h"

namespace tfengine::detail {

class Observer {
 public:
  // `tensors`: names of F32 values to count, `averaged`: to sum by channel; those that the plan does not have are left out.
  Observer(const runtime::PreparedPlan& prepared, std::span<const std::string> tensors,
           std::span<const std::string> averaged, quantize::HistogramSet& set);

  // Runs the context and counts.
  void run(runtime::Context& context, std::span<const void* const> inputs, std::span<void* const> outputs);

 private:
  // One of the two is null.
  struct Target {
    ir::ValueId value;
    quantize::Histogram* histogram;
    quantize::ChannelSums* sums;
  };
  void observe(const runtime::Context& context, size_t target);
  void count(const plan::TensorDesc& desc, const float* data, quantize::Histogram& histogram);
  // Of sample `n` with `elements` values.
  void add_log(const plan::TensorDesc& desc, const float* data, int64_t n, int64_t elements,
               quantize::Histogram& histogram);
  void add_sums(const plan::TensorDesc& desc, const float* data, quantize::ChannelSums& sums);

  const plan::Plan& plan_;
  std::vector<Target> targets_;
  std::vector<std::vector<size_t>> after_step_;  // indices into targets_
  std::vector<size_t> at_start_;
  std::shared_ptr<void> workspace_;
  std::vector<float> sample_;  // of one sample: channel sums, or values for the logarithmic bins
};

}  // namespace tfengine::detail
