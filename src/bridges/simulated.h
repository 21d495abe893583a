// SPDX-License-Identifier: Apache-2.0
// The INT8 graph of an engine as a float graph that other programs can run: what was fused is taken apart into ops of its
// own, and each tensor that is stored in INT8 has a FakeQuantWithMinMaxArgs node behind it that rounds it to its grid. The
// writers of this folder start from it.
#pragma once

#include "ir/graph.h"

namespace tfengine::bridges {

// Attributes of the FakeQuantWithMinMaxArgs nodes besides TensorFlow's own: the scale, the zero point, and whether the grid
// is unsigned.
inline constexpr const char* kScale = "tfengine_scale";
inline constexpr const char* kZeroPoint = "tfengine_zero_point";
inline constexpr const char* kUnsigned = "tfengine_unsigned";

// Weights stay constants with their integers and scales. Types are inferred. InvalidArgument for a graph in bfloat16.
ir::Graph simulated(const ir::Graph& graph);

}  // namespace tfengine::bridges
