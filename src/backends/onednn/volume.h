// SPDX-License-Identifier: Apache-2.0
// Convolutions and pooling of volumes, and transposed convolutions of images and volumes, by oneDNN, in float32.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics conv3d_tactics(const StepSpec& spec);
Tactics pool3d_tactics(const StepSpec& spec);
// Conv2DBackpropInput and Conv3DBackpropInputV2 with constant weights.
Tactics transposed_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
