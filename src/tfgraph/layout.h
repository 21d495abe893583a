// SPDX-License-Identifier: Apache-2.0
// Nodes written for NCHW become NHWC ones between two Transposes; passes cancel what meets.
#pragma once

#include <string_view>

#include "ir/graph.h"

namespace tfengine::tfgraph {

// Whether the op works in NHWC after rewriting: data_format "NCHW", and one of the ops known here.
bool is_nchw(std::string_view op, const ir::Attrs& attrs);
// A Transpose of `value` by `perm`; its output and node are called `name`.
ir::ValueId add_transpose(ir::Graph& graph, ir::ValueId value, const std::vector<int32_t>& perm, std::string name);

}  // namespace tfengine::tfgraph
