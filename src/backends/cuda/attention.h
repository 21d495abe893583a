// SPDX-License-Identifier: Apache-2.0
// Attention in half precision by our own kernel.
#pragma once

#include "backends/cuda/storage.h"
#include "backends/cuda/support.h"

namespace tfengine::cuda {

Tactics attention_tactics(const StepSpec& spec);
// Before a graph's own nodes become one of Attention: whether the kernel takes heads of these sizes. `floats`: what the plan
// multiplies; single precision keeps its products apart, which are TF32.
std::optional<Refusal> refuses_attention(const ir::Graph& graph, const ir::Node& node, FloatStorage floats);

}  // namespace tfengine::cuda
