// SPDX-License-Identifier: Apache-2.0
// From a resolved GraphDef to ir::Graph: constants, variables, attributes, names. Which graph and which tensors are its
// ends was decided before (read.cpp).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tfgraph/read.h"
#include "tfgraph/tensor_proto.h"

namespace tfengine::tfgraph {

struct GraphDef;
struct NodeDef;
class Bundle;

// An input or output of the graph to be.
struct Endpoint {
  std::string name;    // of the graph's input or output
  std::string tensor;  // in the GraphDef
  // What a signature says; the placeholder's own otherwise.
  DType dtype = DType::Invalid;
  std::optional<Shape> shape;
};

struct ImportJob {
  const GraphDef& graph;
  std::vector<Endpoint> inputs;
  std::vector<Endpoint> outputs;
  bool drop_unused_inputs = false;  // placeholders taken by default
  Bundle* bundle = nullptr;
  std::string_view restore_op;
  const ImportOptions& options;
};

// All nodes of op Placeholder, and all that nothing uses and that yield a tensor.
std::vector<Endpoint> placeholders(const GraphDef& graph);
std::vector<Endpoint> sinks(const GraphDef& graph);
// A Placeholder's declared type.
DType placeholder_dtype(const GraphDef& graph, std::string_view tensor);
std::optional<Shape> placeholder_shape(const GraphDef& graph, std::string_view tensor);

// A node's attributes, but for TensorFlow's notes to itself. InvalidModel naming node and attribute.
ir::Attrs read_attrs(const NodeDef& node, ConstantBudget& budget);
// The op that newer graphs have instead of `op`, its inputs brought into their order; `zero` makes a constant.
std::string modern_op(std::string_view op, std::vector<ir::ValueId>& inputs, const std::function<ir::ValueId()>& zero);

ir::Graph import_graph(const ImportJob& job, ConstantBudget& budget, ImportReport& report);

}  // namespace tfengine::tfgraph
