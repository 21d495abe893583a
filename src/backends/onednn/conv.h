// SPDX-License-Identifier: Apache-2.0
// Conv2D and DepthwiseConv2dNative: oneDNN's implementations and our own, float and INT8.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics conv_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
