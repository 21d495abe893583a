// SPDX-License-Identifier: Apache-2.0
// Arguments of the TensorFlow ops that a segment may hold: the types of a node's inputs and outputs, and what function
// bodies call its outputs ("node:output:0"), which NodeDefs do not say.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "tfgraph/graph_def.h"

namespace tfengine::tfgraph {

// An output as function bodies name it: "node:" arg ":" index.
struct OutputArg {
  std::string_view arg;
  int index = 0;
};

bool has_signature(std::string_view op);
// TensorFlow's DataType of each data input and of each output, 0 where the node does not say; nullopt for an op that is
// not in the table. InvalidModel when the node declares an impossible number of them.
std::optional<std::vector<uint64_t>> input_types(const NodeDef& node);
std::optional<std::vector<uint64_t>> output_types(const NodeDef& node);
// nullopt when the op is not in the table or has no such output.
std::optional<OutputArg> output_arg(const NodeDef& node, int index);

}  // namespace tfengine::tfgraph
