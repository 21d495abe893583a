// SPDX-License-Identifier: Apache-2.0
// What a loop computes of a row of a list that it only reads, by constants alone, is computed of the whole list in front of
// the loop: the inputs of all steps of an LSTM meet their weights in one product.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int hoist_from_loops(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
