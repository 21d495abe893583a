// SPDX-License-Identifier: Apache-2.0
// Convolutions and products by cuDNN: the step as one of its problems, and a tactic for each plan that takes it.
#pragma once

#include "backends/cuda/compiled_plans.h"
#include "backends/cuda/conv_layer.h"

namespace tfengine::cuda {

void add_cudnn(const StepSpec& spec, const Layer& layer, const Types& types, CompiledPlans& plans,
               std::vector<Tactic>& tactics);

}  // namespace tfengine::cuda
