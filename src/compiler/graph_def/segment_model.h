// SPDX-License-Identifier: Apache-2.0
// One segment of a GraphDef as a graph of its own: what crosses its border, and its ir::Graph, for trials and for engines
// that are built at conversion. Constants stay views of the GraphDef's bytes.
#pragma once

#include <string>
#include <vector>

#include "compiler/graph_def/types.h"
#include "ir/graph.h"

namespace tfengine::graphdef {

inline constexpr std::string_view kInputPrefix = "TensorRTInputPH_";
inline constexpr std::string_view kOutputPrefix = "TensorRTOutputPH_";

struct Segment {
  std::vector<int> nodes;          // in the GraphDef's order, constants not among them
  std::vector<int> constants;      // copied in; likewise
  std::vector<TensorRef> inputs;   // made outside
  std::vector<TensorRef> outputs;  // used outside
  std::vector<int> controls;       // nodes outside that the segment waits for
};

// The segment that consists of `nodes`, in ascending order.
Segment make_segment(const GraphView& view, std::vector<int> nodes);

// Inputs are named TensorRTInputPH_<i>, outputs TensorRTOutputPH_<i>, nodes as in the GraphDef. Errors as the importer's.
ir::Graph import_segment(const GraphView& view, const GraphTypes& types, const Segment& segment);

}  // namespace tfengine::graphdef
