// SPDX-License-Identifier: Apache-2.0
// Brings arithmetic with constants into one form, so that later patterns have one spelling to look for: division and
// subtraction by a constant become Mul and Add, special powers their own op, and what multiplies by 1 or adds 0 goes.
#pragma once

#include "passes/pass.h"

namespace tfengine::passes {

int simplify_arithmetic(ir::Graph& graph, PassContext& context);

}  // namespace tfengine::passes
