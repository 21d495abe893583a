// SPDX-License-Identifier: Apache-2.0
// Whether calibration's data are prepared as those that a model was trained with: its batch normalisations keep what their
// channels were like then. Behind one, a channel's mean over the training data was the offset, and its deviation the scale.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "quantize/histogram_set.h"

namespace tfengine::detail {

// A tensor behind a batch normalisation, and behind its activation where one follows.
struct NormalisedTensor {
  std::string tensor;
  std::string node;
  std::vector<float> offset, scale;  // by channel
  Act act;
};

// Of an imported graph, in order of execution: FusedBatchNorm nodes, and the products and sums that exporters write.
std::vector<NormalisedTensor> normalised_tensors(const ir::Graph& imported);

// A sentence where the first of them that calibration has means of was other in training; else empty.
std::string judge_normalisation(const std::vector<NormalisedTensor>& expected, const quantize::HistogramSet& seen);

}  // namespace tfengine::detail
