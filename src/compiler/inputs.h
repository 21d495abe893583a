// SPDX-License-Identifier: Apache-2.0
// Matching the caller's named tensors to a graph's inputs.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "tfengine/data.h"

namespace tfengine::detail {

struct BoundInputs {
  std::vector<Shape> shapes;
  std::vector<const void*> addresses;
  std::vector<Tensor> keep;  // tensors of the addresses, in graph order
};

// By name, or in order where names are empty; tensors that the graph does not take are ignored when `ignore_others`
// (labels). InvalidArgument naming the input: missing, twice, wrong dtype (unless it converts exactly: integers and
// float64 to float32), wrong rank or dimension.
BoundInputs bind_inputs(const ir::Graph& graph, const std::vector<NamedTensor>& tensors, bool ignore_others = false);
// The same for tensors whose data is in a device's memory, which nothing here reads: they have the inputs' very dtypes.
BoundInputs bind_device_inputs(const ir::Graph& graph, const std::vector<NamedTensor>& tensors);

}  // namespace tfengine::detail
