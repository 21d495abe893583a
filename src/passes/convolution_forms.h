// SPDX-License-Identifier: Apache-2.0
// One form for what can be written in several: a convolution of one channel per group is depthwise, a depthwise one of a
// single channel is ordinary, pooling over single pixels is the stride of the 1x1 convolution behind it, and pooling over
// the whole map is a Mean. Backends then see each under the name that they have fast code for.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int convolution_forms(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
