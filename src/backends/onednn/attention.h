// SPDX-License-Identifier: Apache-2.0
// Attention of float tensors by our own kernel.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics attention_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
