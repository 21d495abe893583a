// SPDX-License-Identifier: Apache-2.0
// Given ranges of tensors that are float for speed's sake alone: their values are limited to the grids that they would have
// in INT8, so that what a model computes does not depend on how fast a machine is. Internal to the rewrite.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "quantize/grids.h"

namespace tfengine::quantize {

struct Choice {
  const Decision& decision;
  const Grids& grids;
};

// `whole`: what would be INT8 where speed decides nothing; `made`: what is, in `graph`, a copy of `source` that keeps its
// ids. Whatever reads a tensor with a given range from its grid in `whole`, and as it is in `made`, reads it limited in
// `graph`. The names of those tensors.
std::set<std::string> bound_given_ranges(const ir::Graph& source, const std::vector<std::optional<ir::Range>>& ranges,
                                         const Choice& whole, const Choice& made, ir::Graph& graph);

}  // namespace tfengine::quantize
