// SPDX-License-Identifier: Apache-2.0
// Batch normalisation, bias and constant scaling are all y = x * scale[c] + offset[c]. Folded into the weights and the
// bias of a neighbouring convolution or MatMul they are free; what cannot be folded is composed into one BatchNormAffine.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

// Into the producer, or composed with it.
int fold_affine_backward(ir::Graph& graph, PassContext& context);
// Into the convolutions that use the result, where that is exact.
int fold_affine_forward(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
