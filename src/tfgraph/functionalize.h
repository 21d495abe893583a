// SPDX-License-Identifier: Apache-2.0
// TensorFlow 1's control flow made functional: frames of Enter, Merge, Switch, NextIteration and Exit become While nodes,
// other pairs of Switch and Merge become If and Case nodes, each with functions of its own. TensorFlow 2 writes the old
// form, too, when it freezes a graph.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "tfgraph/graph_def.h"

namespace tfengine::tfgraph {

struct FunctionalGraph {
  GraphDef graph;
  std::deque<std::string> texts;  // what in `graph` is new
};

// Nullopt for a graph without such nodes. What is of no known form stays as it is: its ops are then unknown to the importer.
// Exits and merges keep their names. Views of `source`'s bytes.
std::optional<FunctionalGraph> functionalize(const GraphDef& source);

}  // namespace tfengine::tfgraph
