// SPDX-License-Identifier: Apache-2.0
// MaxPool, AvgPool and the mean over an image.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics pool_tactics(const StepSpec& spec);
// Mean, Sum, Max, Min, Prod over constant axes.
Tactics reduce_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
