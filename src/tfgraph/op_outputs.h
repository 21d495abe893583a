// SPDX-License-Identifier: Apache-2.0
// How many outputs TensorFlow's ops have, as far as reading needs it: function bodies name outputs ("node:variance:0")
// where graphs number them, and nodes with several results keep all of them.
#pragma once

#include <string_view>

#include "tfgraph/graph_def.h"

namespace tfengine::tfgraph {

// Number of the first output called `output_name`; 0 for ops with one (list of) output, whatever its name.
int output_offset(std::string_view op, std::string_view output_name);
// Outputs that a node has regardless of use: num_split of Split, 2 of TopKV2; 1 when nothing is known.
int minimum_outputs(const NodeDef& node);

}  // namespace tfengine::tfgraph
