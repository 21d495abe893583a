// SPDX-License-Identifier: Apache-2.0
// Which tensors need a range, and which have one without being observed: by what is known of their op, or through ops
// that only move data.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "quantize/range_table.h"

namespace tfengine::quantize {

// The float activations that calibration has to look at: data inputs and outputs of ops that can run in INT8, traced
// back through ops that only move data, without those that have a custom range. Ascending ids.
std::vector<ir::ValueId> tensors_to_observe(const ir::Graph& graph);

// Names of values that will use the unsigned grid, for solve_ranges: those that cannot be negative when the graph inputs
// named in `inputs` are not.
std::set<std::string> non_negative_names(const ir::Graph& graph, const std::set<std::string>& inputs = {});
// Names of the histograms without a negative value.
std::set<std::string> seen_non_negative(const HistogramSet& set);

// By ValueId, the range of each float value (constants that are joined with activations included), if there is one.
// Custom ranges are those of the graph and of the table; calibrated ones are narrowed to what is provable; the rest follows
// by rule: through ops that move data and through activations, both ways where that is exact.
std::vector<std::optional<ir::Range>> resolve_ranges(const ir::Graph& graph, const RangeTable& table);

// Names of the values that `choose` finds in the graph and in its regions (tensors_to_observe, tensors_to_average).
std::vector<std::string> names_in(const ir::Graph& graph, std::vector<ir::ValueId> (*choose)(const ir::Graph&));

}  // namespace tfengine::quantize
