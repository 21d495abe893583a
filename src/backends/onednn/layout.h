// SPDX-License-Identifier: Apache-2.0
// Ops that move elements without looking at them: reshapes, transposes, pads, slices, splits, gathers, resizes.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics reshape_tactics(const StepSpec& spec);
Tactics transpose_tactics(const StepSpec& spec);
Tactics pad_tactics(const StepSpec& spec);
Tactics slice_tactics(const StepSpec& spec);  // Slice, StridedSlice
Tactics split_tactics(const StepSpec& spec);  // Split, SplitV
Tactics resize_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
