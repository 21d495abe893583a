// SPDX-License-Identifier: Apache-2.0
// A segment tried before it is accepted: imported, optimised and given sample shapes, each of its steps is shown to the
// backend. What the backend would leave to the reference implementation is named, so that it can stay in TensorFlow.
#pragma once

#include <string>
#include <vector>

#include "compiler/graph_def/segment_model.h"
#include "plan/backend.h"

namespace tfengine::graphdef {

struct Offender {
  int node = -1;
  std::string reason;
  std::string remedy = "nothing has to be done: TensorFlow runs it";
};

// Empty: the segment runs in an engine as it is.
std::vector<Offender> try_segment(const GraphView& view, const GraphTypes& types, const Segment& segment,
                                  const plan::Backend& backend);

}  // namespace tfengine::graphdef
