// SPDX-License-Identifier: Apache-2.0
// ResizeBicubic, ResizeArea, CropAndResize, LRN and L2Loss, in float32.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics smooth_resize_tactics(const StepSpec& spec);
Tactics crop_and_resize_tactics(const StepSpec& spec);
Tactics lrn_tactics(const StepSpec& spec);
Tactics l2_loss_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
