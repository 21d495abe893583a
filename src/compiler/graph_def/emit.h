// SPDX-License-Identifier: Apache-2.0
// The converted GraphDef: TRTEngineOp nodes in place of segments, the segments as functions of the library, large
// constants that several places need as functions of their own. What is not converted keeps its bytes.
#pragma once

#include <string>
#include <vector>

#include "compiler/graph_def/segment_model.h"
#include "tfengine/graph_def.h"

namespace tfengine::graphdef {

// What is known of an engine when the graph is written.
struct EngineText {
  std::string name;
  std::string serialized;        // the engine file's bytes; empty: it is built when it runs
  std::string calibration_data;  // TensorRT's cache text
  std::string channel_means;     // Calibration::channel_means()
};

struct Emitted {
  std::string graph_def;
  int shared_constants = 0;
  uint64_t shared_constant_bytes = 0;
};

// `engines` goes with `segments`; `graph` is the number in their names.
Emitted emit_graph(const GraphView& view, const GraphTypes& types, const std::vector<Segment>& segments,
                   const std::vector<EngineText>& engines, const GraphDefParams& params, int graph);

// The number NNN that no node or function of the graph has: `wanted`, or the process's next.
int graph_number(const GraphView& view, int wanted);
std::string engine_name(int graph, size_t segment);

}  // namespace tfengine::graphdef
