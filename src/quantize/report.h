// SPDX-License-Identifier: Apache-2.0
// What the INT8 rewrite did, as data and sentences. Internal to the rewrite; its types are in rewrite.h.
#pragma once

#include "quantize/grids.h"

namespace tfengine::quantize {

RewriteReport make_report(const ir::Graph& graph, const RangeTable& table,
                          const std::vector<std::optional<ir::Range>>& ranges, const Decision& decision,
                          const Grids& grids);

}  // namespace tfengine::quantize
