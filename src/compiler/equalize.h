// SPDX-License-Identifier: Apache-2.0
// Equalization with samples: looks at the channels of what can be equalized, chooses factors, and counts the tensors that
// it changes anew, since their histograms were of other values.
#pragma once

#include <span>

#include "quantize/equalization.h"
#include "quantize/histogram_set.h"
#include "runtime/engine_core.h"
#include "tfengine/data.h"

namespace tfengine::detail {

struct Equalized {
  quantize::ChannelFactors factors;  // of the tensors that gain by them
  quantize::HistogramSet counted;    // their histograms and channel sums in the equalized graph
};

// Equalizes `graph` (float, optimised) behind what is named.
Equalized equalize_on(ir::Graph& graph, std::span<const quantize::Behind> behind, BatchSource& data,
                      int64_t max_samples, const runtime::EngineConfig& config);

}  // namespace tfengine::detail
