// SPDX-License-Identifier: Apache-2.0
// Takes a graph apart where shapes depend on data (the result of Where, Unique, a Reshape to a computed shape...), which no plan
// can hold: what stands in front of those nodes, the nodes themselves, and what stands behind them.
#pragma once

#include <span>

#include "ops/stages.h"

namespace tfengine::passes {

// Of a graph of specialize_where_possible(): one part, where all of its shapes are static. Else `between` has at least one
// node, so that taking apart the rest with its shapes, again and again, ends. Each tensor has its name in one part only: an
// input of the rest that the front computes is named "NAME/passed". Linear in the nodes. InvalidModel for an unknown op.
ops::Stages split_at_data(ir::Graph graph);

// Whether a plan cannot hold the node of such a graph: an output, or a tensor of the graphs that it runs, has no static shape.
bool depends_on_data(const ir::Graph& graph, const ir::Node& node);

// specialize() for graphs with and without shapes that depend on data. InvalidArgument when a shape does not fit the input.
ops::Stages specialize_in_stages(const ir::Graph& graph, std::span<const Shape> input_shapes);

}  // namespace tfengine::passes
