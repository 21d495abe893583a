// SPDX-License-Identifier: Apache-2.0
// Grids with a zero point: which tensors gain by one, and what it covers. Behind swish and its like, values go down to -0.28
// and up to any number, so that a grid as wide below zero as above leaves half of its integers unused.
#pragma once

#include "ir/graph.h"

namespace tfengine::quantize {

// With zero inside: low <= 0 <= high.
struct Interval {
  float low = 0.0f, high = 0.0f;
  float width() const { return high - low; }
};

// What values within the range are, by their bound and the extremes that were seen.
Interval interval_of(const ir::Range& range);

// Whether values lie so much on one side of zero that steps over their interval are clearly smaller than steps of the
// symmetric grid.
bool is_lopsided(const ir::Range& range);

// Steps from 0 to `max_abs` of such a grid: what a calibrator weighs clipping against.
int asymmetric_levels(const ir::Range& range);

}  // namespace tfengine::quantize
