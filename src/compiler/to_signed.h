// SPDX-License-Identifier: Apache-2.0
// INT8 graphs for devices that multiply signed integers only.
#pragma once

#include "ir/graph.h"

namespace tfengine::detail {

// Unsigned tensors of scale r/255 become signed ones of scale r/127: the range stays, the steps double. Constants are rounded
// again. Returns how many tensors changed.
int to_signed(ir::Graph& graph);

}  // namespace tfengine::detail
