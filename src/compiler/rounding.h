// SPDX-License-Identifier: Apache-2.0
// Optimal rounding of all weights of a graph: collects the second moments of the layers' inputs on samples, in rounds that
// keep to a bound of memory, and rounds layer after layer (quantize/optimal_rounding.h).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "quantize/rewrite.h"
#include "runtime/engine_core.h"
#include "tfengine/convert.h"

namespace tfengine::detail {

struct RoundingOptions {
  quantize::WeightRange range = quantize::WeightRange::Max;
  bool centered = true;  // biases take the mean error back
  int64_t max_samples = 64;
  Progress progress;  // layers done and in all; may be empty
};

// The weights of the nodes of `graph` that are named in `nodes`, by node name; nodes whose weights cannot be told apart
// into taps and channels are left out. `graph`: float, optimised.
quantize::RoundedWeights round_weights(const ir::Graph& graph, const std::set<std::string>& nodes, BatchSource& data,
                                       const runtime::EngineConfig& config, const RoundingOptions& options);

}  // namespace tfengine::detail
