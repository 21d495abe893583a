// SPDX-License-Identifier: Apache-2.0
// Precision bf16: convolutions and matrix products take and give bfloat16, the rest stays float32.
#pragma once

#include "ir/graph.h"

namespace tfengine::detail {

// InvalidArgument when this CPU has no bfloat16 arithmetic, where it would only be slower.
ir::Graph to_bf16(const ir::Graph& graph);

}  // namespace tfengine::detail
