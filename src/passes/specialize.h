// SPDX-License-Identifier: Apache-2.0
// A graph for given input shapes: what an engine plans. Everything that depends on shapes only is computed here, so that
// no shape arithmetic is left at run time.
#pragma once

#include <span>

#include "ir/graph.h"

namespace tfengine::passes {

// A copy of `graph` with static shapes, one of `input_shapes` per graph input. Constants are shared, not copied. It runs
// on optimised and on INT8 graphs, at every load of an engine, and so does nothing slower than linear in the nodes.
// InvalidArgument when a shape does not fit the input; InvalidModel naming a node whose shape depends on data.
ir::Graph specialize(const ir::Graph& graph, std::span<const Shape> input_shapes);

// The same without that last demand: shapes that depend on data stay unknown.
ir::Graph specialize_where_possible(const ir::Graph& graph, std::span<const Shape> input_shapes);

}  // namespace tfengine::passes
