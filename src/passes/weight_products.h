// SPDX-License-Identifier: Apache-2.0
// Products of a batch of matrices with one constant matrix, as exporters write the dense layers of sequences: as the MatMul of
// all rows, which other rewrites, the INT8 rules and the kernels know as a layer.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int weight_products(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
