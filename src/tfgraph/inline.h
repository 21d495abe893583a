// SPDX-License-Identifier: Apache-2.0
// Calls of functions in a GraphDef's main graph replaced by the functions' nodes, so that engines can reach across them.
// The result is a GraphDef of the same meaning; Flattener, which does the looking up, makes no graph.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "tfgraph/graph_def.h"

namespace tfengine::tfgraph {

struct InlinedGraph {
  GraphDef graph;
  std::deque<std::string> texts;   // what in `graph` is new
  std::vector<std::string> notes;  // calls that stay, and why
  int calls = 0;                   // that are gone, calls inside of functions included
};

// `outputs` are tensors that will be fetched: a call that is one of them leaves an IdentityN of its name. Empty: calls that
// no node uses are such. Nodes in `kept` stay as they are. Views of `source`'s bytes. InvalidModel on malformed functions.
InlinedGraph inline_calls(const GraphDef& source, const std::vector<std::string>& outputs,
                          const std::vector<std::string>& kept);

}  // namespace tfengine::tfgraph
