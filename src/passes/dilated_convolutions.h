// SPDX-License-Identifier: Apache-2.0
// Dilated convolutions as TensorFlow writes them: SpaceToBatchND, a convolution of the slices, BatchToSpaceND, in one or two
// dimensions. They become one convolution with dilations and paddings of its own.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int dilated_convolutions(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
