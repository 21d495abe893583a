// SPDX-License-Identifier: Apache-2.0
// Moves transposes towards the outputs, through everything that does not care for the order of axes, until two of them
// cancel: graphs imported from NCHW come out without any.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int eliminate_transposes(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
