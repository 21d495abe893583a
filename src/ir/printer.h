// SPDX-License-Identifier: Apache-2.0
// Graphs as text, for dumps, reports and tests. `Full` is read back by ir/parser.h to an equal graph; `Dump`
// shortens large constants to a hash and their extremes. The form is described in ir/parser.h.
#pragma once

#include <string>

#include "ir/graph.h"

namespace tfengine::ir {

enum class PrintMode : uint8_t { Full, Dump };

// Alive nodes in order (by id when the graph has a cycle); constants before their first user. Never throws
// for a graph that the verifier would refuse: dumps are for those too.
std::string print(const Graph& graph, PrintMode mode = PrintMode::Full);
// One node as a line without its constants: "%c = Conv2D(%x, %w) {...} -> f32[...]".
std::string print_node(const Graph& graph, const Node& node);
std::string print_attr(const Attr& attr);

}  // namespace tfengine::ir
