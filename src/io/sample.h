// SPDX-License-Identifier: Apache-2.0
// One sample from a picture or a record as the options ask for it, and samples put together to batches.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/tfrecord.h"
#include "tfengine/data.h"

namespace tfengine::io {

// InvalidArgument naming the option whose value is out of range or unknown.
void check_options(const DataOptions& options);
bool is_identity(const DataOptions& options);

// Decoded, resized, cropped and normalised: float32 [h, w, c], or uint8 with keep_dtype and no normalisation.
Tensor image_sample(std::string_view file, const DataOptions& options);
// The feature as options.decode says.
Tensor feature_sample(const Feature& feature, const DataOptions& options);
// int64 or float32; a scalar when the feature has one value.
Tensor label_of(const Feature& feature, const std::string& name);
// (value - mean[c]) * scale[c] as float32; c is the last index where that has as many channels as a picture, else 0.
Tensor normalize(const Tensor& tensor, const DataOptions& options);

// Collects samples of one shape and type. InvalidModel when one differs from the first.
class BatchBuilder {
 public:
  // `what` names the sample in the message.
  void add(const Tensor& sample, const std::string& what);
  bool empty() const { return samples_.empty(); }
  int64_t size() const { return static_cast<int64_t>(samples_.size()); }
  // [size, ...]; empties the builder.
  Tensor take();

 private:
  std::vector<Tensor> samples_;
};

}  // namespace tfengine::io
