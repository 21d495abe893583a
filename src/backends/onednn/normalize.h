// SPDX-License-Identifier: Apache-2.0
// Softmax, LogSoftmax and layer normalisation over the last axis.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics softmax_tactics(const StepSpec& spec);
Tactics layer_norm_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
