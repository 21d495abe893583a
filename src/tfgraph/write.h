// SPDX-License-Identifier: Apache-2.0
// GraphDef messages written: attributes, nodes, functions, graphs. What was read and is kept is copied as bytes, so that
// fields unknown to tfengine survive. Which nodes there are to write is decided elsewhere.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tfgraph/graph_def.h"

namespace tfengine::tfgraph {

// TensorFlow's DataType for `dtype`; 0 for DType::Invalid.
uint64_t proto_from_dtype(DType dtype);

// AttrValue messages.
std::string string_attr(std::string_view value);
std::string int_attr(int64_t value);
std::string float_attr(float value);
std::string bool_attr(bool value);
std::string type_attr(uint64_t type);
std::string shape_attr(const Shape& shape);
std::string types_attr(const std::vector<uint64_t>& types);
std::string shapes_attr(const std::vector<Shape>& shapes);
std::string ints_attr(const std::vector<int64_t>& values);
// InvalidArgument for a type that TensorFlow does not have.
std::string tensor_attr(const Tensor& tensor);
std::string strings_attr(const std::vector<std::string_view>& values);
// A function by name, without attributes of its own.
std::string function_attr(std::string_view function);

using AttrMessage = std::pair<std::string, std::string>;

std::string node_message(std::string_view name, std::string_view op, const std::vector<std::string>& inputs,
                         std::string_view device, const std::vector<AttrMessage>& attrs);

// What differs from the node as it was read.
struct NodeChange {
  const std::vector<std::string>* inputs = nullptr;  // null: as they were
  std::string_view name;                             // empty: as it was
  std::string_view device;                           // empty: as it was
  // Attributes written in place of those of the same name; an empty message drops the attribute.
  std::vector<AttrMessage> attrs;
};
std::string changed_node(const NodeDef& node, const NodeChange& change);

struct FunctionArg {
  std::string name;
  uint64_t type = 0;
};
struct FunctionText {
  std::string name;
  std::vector<FunctionArg> args;
  std::vector<FunctionArg> outputs;
  std::vector<std::string> returns;        // one per output: "node:output:0"
  std::vector<std::string> nodes;          // NodeDef messages
  std::vector<std::string> control_nodes;  // that a call waits for
  std::vector<AttrMessage> attrs;
};
std::string function_message(const FunctionText& function);

// A FunctionDefLibrary without the functions whose messages begin at one of these addresses.
std::string library_without(std::string_view library, const std::set<const char*>& dropped);

// A GraphDef of NodeDef messages, the library of `source` and more functions, and all else that `source` held.
std::string graph_message(const GraphDef& source, const std::vector<std::string_view>& nodes,
                          const std::vector<std::string>& functions);

}  // namespace tfengine::tfgraph
