// SPDX-License-Identifier: Apache-2.0
// Ops that take elements by index, or make them of indices: Gather, GatherV2, GatherNd, OneHot.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics gather_tactics(const StepSpec& spec);
Tactics gather_nd_tactics(const StepSpec& spec);
Tactics one_hot_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
