// SPDX-License-Identifier: Apache-2.0
// INT8 graphs for devices that multiply signed integers only.
#pragma once

#include "ir/graph.h"

namespace tfengine::detail {

// Unsigned tensors, in regions too, of scale r/255 become signed ones of scale r/127: the range stays, the steps double. Those with a
// zero point get none, and the larger side of their range. Constants are rounded
// again. Returns how many tensors changed.
int to_signed(ir::Graph& graph);

}  // namespace tfengine::detail
