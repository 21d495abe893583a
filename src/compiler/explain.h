// SPDX-License-Identifier: Apache-2.0
// What INT8 does to each tensor: from its histogram, what its grid alone costs; from samples, how far it is from the float
// model's with all that came before.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quantize/histogram_set.h"
#include "quantize/rewrite.h"
#include "runtime/engine_core.h"
#include "tfengine/data.h"

namespace tfengine::detail {

struct Explanation {
  std::string tensor;
  std::optional<double> clipped;     // share of the values seen beyond the grid
  std::optional<double> alone_db;    // signal-to-noise of the values seen on the grid
  std::optional<double> so_far_db;   // of the INT8 engine's tensor against the float model's
  std::optional<int> dead_channels;  // zero in all samples
  std::optional<int> channels;
};

// Of the tensors of `report` that have a grid, from their histograms.
std::vector<Explanation> explain_grids(const quantize::RewriteReport& report, const quantize::HistogramSet& histograms);

// Adds what the samples say, for tensors that both graphs have under one name, and rows for those that lack one. What the grid
// alone does is told by the samples where no histogram told it: tensors with given ranges are not counted.
void explain_on(std::vector<Explanation>& rows, const quantize::RewriteReport& report, const ir::Graph& float_graph,
                const ir::Graph& int8_graph, BatchSource& data, int64_t max_samples,
                const runtime::EngineConfig& config);

}  // namespace tfengine::detail
