// SPDX-License-Identifier: Apache-2.0
// GraphDef as TensorFlow wrote it: names and bytes are views of the file, nothing is resolved or checked across nodes.
#pragma once

#include <string_view>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"
#include "tfgraph/tensor_proto.h"
#include "tfgraph/wire.h"

namespace tfengine::tfgraph {

struct NodeDef {
  std::string_view name;
  std::string_view op;
  std::vector<std::string_view> inputs;  // "node", "node:1", "^control"; in functions "arg", "node:output:0"
  std::vector<MapEntry> attrs;           // values are AttrValue messages
  std::string_view device;
  std::string_view message;  // the NodeDef as it was read

  // The AttrValue's bytes, or null.
  const std::string_view* attr(std::string_view key) const;
};

struct FunctionDef {
  std::string_view name;
  std::vector<std::string_view> args;
  std::vector<std::string_view> outputs;
  std::vector<NodeDef> nodes;
  std::unordered_map<std::string_view, std::string_view> returns;  // output -> "node:output:0"
  std::vector<std::string_view> control_returns;                   // nodes that a call waits for
  std::vector<MapEntry> attrs;                                     // values are AttrValue messages
  std::string_view message;                                        // the FunctionDef as it was read
  bool whole_names = false;  // its nodes have the names of the main graph that they were taken from
};

struct GraphDef {
  std::vector<NodeDef> nodes;
  std::unordered_map<std::string_view, FunctionDef> functions;
  uint64_t producer_version = 0;
  std::vector<std::string_view> libraries;  // FunctionDefLibrary messages as they were read; usually one
  std::vector<std::string_view> others;     // all other fields with their tags: versions, debug information
};

GraphDef read_graph_def(std::string_view message);
NodeDef read_node_def(std::string_view message);
// Null for what tfengine keeps no attribute of (functions, placeholders, lists of tensors).
std::optional<ir::Attr> read_attr(std::string_view attr_value, ConstantBudget& budget);

// Single fields of an AttrValue; empty or 0 when it holds another kind.
std::string_view attr_string(const NodeDef& node, std::string_view key);
uint64_t attr_type(const NodeDef& node, std::string_view key);
int64_t attr_int(const NodeDef& node, std::string_view key, int64_t fallback);
std::vector<uint64_t> attr_types(const NodeDef& node, std::string_view key);
std::vector<std::string_view> attr_strings(const NodeDef& node, std::string_view key);
std::vector<Shape> attr_shapes(const NodeDef& node, std::string_view key);
std::string_view attr_function(const NodeDef& node, std::string_view key);
// Names of all functions that a node's attributes hold.
std::vector<std::string_view> functions_of(const NodeDef& node);
bool attr_bool(std::string_view attr_value);
// Whether the attribute is left for the caller of the function to say.
bool is_attr_placeholder(std::string_view attr_value);
// The TensorProto or TensorShapeProto message of an attribute, or null.
std::optional<std::string_view> attr_tensor(const NodeDef& node, std::string_view key);
std::optional<std::string_view> attr_shape(const NodeDef& node, std::string_view key);

}  // namespace tfengine::tfgraph
