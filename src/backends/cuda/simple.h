// SPDX-License-Identifier: Apache-2.0
// Steps that are one kernel of ours each: conversions, pooling, reductions, normalization, resizing, rows by index.
#pragma once

#include "backends/cuda/support.h"

namespace tfengine::cuda {

Tactics convert_tactics(const StepSpec& spec);  // Quantize, Dequantize, Requantize, Cast
Tactics pool_tactics(const StepSpec& spec);
Tactics reduce_tactics(const StepSpec& spec);
Tactics softmax_tactics(const StepSpec& spec);
Tactics layer_norm_tactics(const StepSpec& spec);
Tactics resize_tactics(const StepSpec& spec);
Tactics gather_tactics(const StepSpec& spec);

}  // namespace tfengine::cuda
