// SPDX-License-Identifier: Apache-2.0
// ConcatV2 along any axis: pieces that the planner placed inside the output are not copied.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics concat_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
