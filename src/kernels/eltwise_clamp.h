// SPDX-License-Identifier: Apache-2.0
// Whether an epilogue's activations only clamp, and to what: clamping is monotonic and commutes with rounding, so kernels do
// it on the stored integers. Not for use outside this folder.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/epilogue.h"

namespace tfengine::kernels {

// Bounds of the result in real units; infinite where there is none.
struct ClampRange {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();

  // Narrows the range by an activation; false if the activation does more than clamp.
  bool narrow(const Act& act) {
    switch (act.kind) {
      case ActKind::None:
        return true;
      case ActKind::Relu:
        low = std::max(low, 0.0f);
        high = std::max(high, 0.0f);
        return true;
      case ActKind::Clip:
        if (!(act.alpha <= act.beta)) return false;
        low = std::clamp(low, act.alpha, act.beta);
        high = std::clamp(high, act.alpha, act.beta);
        return true;
      default:
        return false;
    }
  }
};

// The bounds as integers of an 8-bit destination.
struct ClampSteps {
  int16_t low = 0;
  int16_t high = 0;

  ClampSteps() = default;
  ClampSteps(const ClampRange& range, Elem dst_elem, float dst_inv_scale, float dst_zero) {
    const float least = dst_elem == Elem::S8 ? -128.0f : 0.0f;
    const float most = dst_elem == Elem::S8 ? 127.0f : 255.0f;
    low = static_cast<int16_t>(std::nearbyint(std::clamp(range.low * dst_inv_scale + dst_zero, least, most)));
    high = static_cast<int16_t>(std::nearbyint(std::clamp(range.high * dst_inv_scale + dst_zero, least, most)));
  }
};

// Whether the epilogue is scaling, bias and clamping to `range`, with no residual.
inline bool only_clamps(const Epilogue& e, ClampRange& range) {
  return e.residual == nullptr && range.narrow(e.before_add) && range.narrow(e.after_add);
}

}  // namespace tfengine::kernels
