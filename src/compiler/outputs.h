// SPDX-License-Identifier: Apache-2.0
// Memory for the outputs of a plan, where the caller gave none, and what is known of their shapes.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/engine_core.h"
#include "tfengine/data.h"

namespace tfengine::detail {

struct OutputBuffers {
  std::vector<NamedTensor> tensors;  // in the order of the graph's outputs
  std::vector<void*> addresses;      // of their bytes
};

// `samples` other than 0: the first dimension in place of the plan's.
OutputBuffers make_outputs(const plan::Plan& plan, int64_t samples = 0);

// Of the whole graph, in order; what depends on data is unknown.
std::vector<Shape> output_shapes(const runtime::ShapeEntry& entry);
// Which node of a graph that is taken apart makes a result of a size that depends on data, as a clause.
std::string data_dependence(const ops::Stages& stages);
// InvalidArgument naming `what`, which takes the caller's memory for outputs, where the shape of one depends on data.
void require_fixed_outputs(const runtime::ShapeEntry& entry, const char* what);
void copy_outputs(const std::vector<Tensor>& outputs, std::span<void* const> to);
// The graph's outputs with their names.
std::vector<NamedTensor> named(const ir::Graph& graph, std::vector<Tensor> outputs);

}  // namespace tfengine::detail
