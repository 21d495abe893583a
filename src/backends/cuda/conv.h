// SPDX-License-Identifier: Apache-2.0
// Convolutions and products with constant weights.
#pragma once

#include "backends/cuda/backend.h"
#include "backends/cuda/compiled_plans.h"
#include "backends/cuda/support.h"

namespace tfengine::cuda {

// Conv2D, DepthwiseConv2dNative and MatMul. `plans` outlives what is made of it. With FloatStorage::Half floats are multiplied
// as halves, those of a caller too.
Tactics conv_tactics(const StepSpec& spec, CompiledPlans& plans, FloatStorage floats);
// Whether the node's source may be kept as floats, which the convolution quantizes as it reads them: a first layer of few
// channels. `out` is the node's result.
bool quantizes_source(const ir::Graph& graph, const ir::Node& node);

}  // namespace tfengine::cuda
