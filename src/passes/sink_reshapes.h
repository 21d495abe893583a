// SPDX-License-Identifier: Apache-2.0
// Dense on a sequence is exported as Reshape, MatMul, Reshape, with bias and activation behind the second Reshape. Behind
// the MatMul itself they fuse into it; the Reshape moves after them. So it does where it splits channels into heads, whose bias
// is a matrix, and behind the sum with another tensor, which is reshaped to the product's rows instead.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int sink_reshapes(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
