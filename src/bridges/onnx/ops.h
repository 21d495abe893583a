// SPDX-License-Identifier: Apache-2.0
// How nodes of the simulated graph are written in ONNX.
#pragma once

#include <optional>

#include "bridges/onnx/tensors.h"

namespace tfengine::bridges::onnx {

struct NodeContext {
  const ir::Graph& graph;
  const ir::Node& node;
  Tensors& tensors;

  const ir::Value& input(int index) const { return graph.input_value(node, index); }
  // The elements of a constant integer input. InvalidArgument naming the node when it is computed at run time.
  std::vector<int64_t> int_input(int index) const;
  // InvalidArgument naming the node when the rank of that input is not known, or it has no such axis.
  size_t rank(int index) const;
  size_t axis(int64_t axis, int index) const;
  // The node's name with something behind it.
  std::string part(std::string_view suffix) const;
  [[noreturn]] void refuse(std::string_view why) const;
};

// Each writes the nodes it knows (those with a window, elementwise ones, those that change a picture's size, others that move
// data), and returns output 0.
std::optional<Written> write_windowed(const NodeContext& context);
std::optional<Written> write_elementwise(const NodeContext& context);
std::optional<Written> write_pixels(const NodeContext& context);
std::optional<Written> write_other(const NodeContext& context);
// Those that take a tensor apart, into several outputs maybe, which are set. False for a node that it does not know.
bool write_parts(const NodeContext& context);

}  // namespace tfengine::bridges::onnx
