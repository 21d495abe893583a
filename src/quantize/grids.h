// SPDX-License-Identifier: Apache-2.0
// The integer grid of each value that has an INT8 form. Values that data movement joins share one. Internal to the
// rewrite.
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "quantize/decide.h"

namespace tfengine::quantize {

struct Grid {
  DType dtype = DType::Invalid;  // S8, U8; Invalid: no INT8 form
  float scale = 0.0f;
  int zero_point = 0;  // of an asymmetric grid, which is U8
  float max_abs = 0.0f;
  ir::RangeSource source = ir::RangeSource::Rule;
  std::string origin;
  bool same(const Grid& other) const {
    return dtype == other.dtype && scale == other.scale && zero_point == other.zero_point;
  }
  ir::Quant quant() const { return {{scale}, -1, zero_point}; }
};

struct Grids {
  std::vector<Grid> of_value;  // by ValueId
  // (node, input) where a node that shares its grid takes a value of another grid, to be requantized.
  std::set<std::pair<ir::NodeId, int>> cuts;
};

// Scale and type for a range; a range of 0 (only zeros were seen) is taken as 1.
Grid make_grid(const ir::Range& range, bool unsigned_grid);
// A grid of 256 steps from the least to the largest value, zero among them.
Grid make_asymmetric_grid(const ir::Range& range);

Grids assign_grids(const ir::Graph& graph, const Decision& decision,
                   const std::vector<std::optional<ir::Range>>& ranges, const std::vector<bool>& non_negative,
                   const RewriteOptions& options);

}  // namespace tfengine::quantize
