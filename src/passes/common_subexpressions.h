// SPDX-License-Identifier: Apache-2.0
// Keeps one of several nodes that compute the same: exporters repeat shape arithmetic and activations per use.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int common_subexpressions(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
