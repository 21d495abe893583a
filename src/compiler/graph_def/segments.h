// SPDX-License-Identifier: Apache-2.0
// The segments of a GraphDef that become engines: candidates are clustered, clusters that are too small or do not pay are
// dropped, the others are tried; what a trial finds wanting stays in TensorFlow and the rest is clustered anew.
#pragma once

#include <string>
#include <vector>

#include "compiler/graph_def/candidates.h"
#include "compiler/graph_def/segment_model.h"
#include "plan/backend.h"

namespace tfengine::graphdef {

struct SegmentationOptions {
  CandidateOptions candidates;
  int minimum_segment_size = 3;  // nodes that are not identities
  int max_engines = 20;          // the largest are kept; 0 or less: all
};

struct SegmentationResult {
  std::vector<Segment> segments;               // in the order of their first node
  std::vector<segment::RefusedNode> refusals;  // in the order of the nodes
  std::vector<std::string> notes;
};

SegmentationResult find_segments(const GraphView& view, const GraphTypes& types, const SegmentationOptions& options,
                                 const plan::Backend& backend);

// Nodes of a segment that are not identities.
int effective_size(const GraphView& view, const Segment& segment);

}  // namespace tfengine::graphdef
