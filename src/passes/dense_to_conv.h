// SPDX-License-Identifier: Apache-2.0
// Keras exports Dense on a feature map as Reshape, MatMul, Reshape. As a 1x1 convolution it keeps its shape, so bias,
// activation, layer scale and residual fuse into it.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int dense_to_conv(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
