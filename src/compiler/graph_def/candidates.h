// SPDX-License-Identifier: Apache-2.0
// Which nodes may become part of an engine, looked at one by one: each other node gets a reason and what to do about it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/graph_def/types.h"
#include "segment/segment.h"

namespace tfengine::graphdef {

struct CandidateOptions {
  bool int8 = false;  // quantization nodes are candidates
  std::vector<std::string> nodes_denylist;
  std::vector<std::string> op_denylist;
};

struct Candidates {
  // By node. A node that is neither a candidate nor refused has nothing to convert: inputs, constants, outputs' names.
  std::vector<bool> candidate;
  std::vector<std::optional<segment::RefusedNode>> refusals;

  void refuse(const GraphView& view, int node, std::string reason, std::string remedy);
};

// InvalidArgument for names on the denylist that the graph does not have.
Candidates find_candidates(const GraphView& view, const GraphTypes& types, const CandidateOptions& options);

// Whether a tensor of this DataType can enter or leave an engine (TRTEngineOp's InT and OutT).
bool crosses_border(uint64_t type);

}  // namespace tfengine::graphdef
