// SPDX-License-Identifier: Apache-2.0
// Steps that move elements and compute nothing.
#pragma once

#include "backends/cuda/support.h"

namespace tfengine::cuda {

Tactics reshape_tactics(const StepSpec& spec);  // Reshape, Squeeze, ExpandDims
Tactics pick_tactics(const StepSpec& spec);     // Transpose, Slice, StridedSlice, Split, SplitV, Unpack
Tactics pad_tactics(const StepSpec& spec);
Tactics concat_tactics(const StepSpec& spec);  // ConcatV2

}  // namespace tfengine::cuda
