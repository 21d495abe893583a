// SPDX-License-Identifier: Apache-2.0
// Holds a graph against the rules of ir/graph.h: run after every pass, so that a pass's defect is found in
// that pass. It checks form only; what ops require of their inputs and attributes is the business of ops/.
#pragma once

#include "ir/graph.h"

namespace tfengine::ir {

// Regions in regions. Types in loops are found by going through them more than once, at every depth: beyond this, a file that
// was made for it could keep inference busy for years.
inline constexpr int kMaxRegionDepth = 8;

// InternalError naming the node or value and the rule it breaks: use lists and producers in step, every used
// value defined, no cycle, names of live values unique, constants of their value's type, epilogue indices
// valid, quantization only on S8, U8 and S32, and with usable scales. Regions are held to the same.
void verify(const Graph& graph);

}  // namespace tfengine::ir
