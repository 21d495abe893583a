// SPDX-License-Identifier: Apache-2.0
#include "quantize/asymmetric.h"

#include <algorithm>

#include "quantize/solver.h"

namespace tfengine::quantize {

Interval interval_of(const ir::Range& range) {
  return {std::clamp(range.low, -range.max_abs, 0.0f), std::clamp(range.high, 0.0f, range.max_abs)};
}

bool is_lopsided(const ir::Range& range) {
  // Steps of four fifths are worth 2 dB. Readers of a zero point have a little more to do.
  constexpr float kWorthwhile = 0.8f;
  return range.max_abs > 0.0f && interval_of(range).width() <= kWorthwhile * 2.0f * range.max_abs;
}

int asymmetric_levels(const ir::Range& range) {
  return static_cast<int>(static_cast<float>(kUnsignedLevels) * range.max_abs / interval_of(range).width());
}

}  // namespace tfengine::quantize
