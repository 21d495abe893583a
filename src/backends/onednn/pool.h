// SPDX-License-Identifier: Apache-2.0
// MaxPool, AvgPool and the mean over an image.
#pragma once

#include "backends/onednn/support.h"
#include "kernels/reduce.h"

namespace tfengine::onednn {

// Of Mean, Sum, Max, Min, Prod.
std::optional<kernels::ReduceKind> reduce_kind(const std::string& op);

Tactics pool_tactics(const StepSpec& spec);
// Mean, Sum, Max, Min, Prod over constant axes.
Tactics reduce_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
