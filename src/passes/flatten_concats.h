// SPDX-License-Identifier: Apache-2.0
// A concatenation that only feeds another one along the same axis is part of it: one copy less.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int flatten_concats(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
