// SPDX-License-Identifier: Apache-2.0
// Activations and residual additions move into the node that computes their input (ir::Epilogue): one pass over memory
// less for each.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int fuse_epilogues(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
