// SPDX-License-Identifier: Apache-2.0
// Changes of number format: Quantize, Dequantize, Requantize, and Cast between float32 and bfloat16.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics convert_tactics(const StepSpec& spec);
Tactics cast_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
