// SPDX-License-Identifier: Apache-2.0
// Engines built while a graph is converted, and their calibration with batches for the graph's inputs. What flows into a
// segment that does not begin at those inputs is computed by an engine of the graph in front of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/graph_def/emit.h"
#include "compiler/graph_def/segments.h"
#include "tfengine/calibrate.h"

namespace tfengine::graphdef {

// An engine file's bytes. `calibration` may be null.
std::string build_engine(const GraphView& view, const GraphTypes& types, const Segment& segment,
                         const std::string& name, const GraphDefParams& params, const std::vector<Shape>& shapes,
                         const Calibration* calibration, std::vector<std::string>& notes);

// The shapes that inputs are declared with, with params.max_batch_size for unknown first dimensions; nullopt when more is
// unknown.
std::optional<std::vector<Shape>> static_shapes(const GraphTypes& types, const Segment& segment,
                                                const GraphDefParams& params);

// What all batches have told: ranges, and the shapes of the first one.
struct FedSegment {
  std::optional<Calibration> calibration;
  std::vector<Shape> shapes;
};
// Runs the batches. One entry per segment; calibrations only if `calibrate`.
std::vector<FedSegment> feed_segments(const GraphView& view, const GraphTypes& types,
                                      const std::vector<Segment>& segments, const std::vector<EngineText>& engines,
                                      const std::vector<std::string>& inputs, BatchSource& batches, bool calibrate);

}  // namespace tfengine::graphdef
