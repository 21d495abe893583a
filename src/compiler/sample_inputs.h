// SPDX-License-Identifier: Apache-2.0
// What calibration notes of the inputs of single samples, for the checkup of its data.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/inputs.h"
#include "compiler/model_impl.h"
#include "quantize/sample_log.h"

namespace tfengine::detail {

class SampleInputs {
 public:
  explicit SampleInputs(const ModelImpl& model);

  // The model's float inputs, in order.
  const std::vector<quantize::SampleLog::Input>& described() const { return described_; }
  // Fingerprints of the samples of a batch of `samples`. An input without that many rows belongs to all of them.
  std::vector<uint64_t> contents(const BoundInputs& inputs, int64_t samples) const;
  // The same of sample `n`, with the facts of float inputs; peaks are left to the caller.
  quantize::SampleRecord record(const BoundInputs& inputs, int64_t n, int64_t samples) const;

 private:
  std::vector<size_t> floats_;  // which inputs are described
  std::vector<quantize::SampleLog::Input> described_;
};

}  // namespace tfengine::detail
