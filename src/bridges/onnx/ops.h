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

// An op of TensorFlow or of the engine whose counterpart takes the same inputs and no attributes.
struct OpName {
  std::string_view ours, onnx;
};

// Empty for an op that is not in the table.
template <size_t N>
std::string_view onnx_name(const OpName (&table)[N], std::string_view op) {
  for (const OpName& row : table) {
    if (row.ours == op) return row.onnx;
  }
  return {};
}

// Where an axis of [n, h, w, c] is in [n, c, h, w].
int64_t axis_channels_first(int64_t axis);

// Each writes the nodes it knows, and returns output 0: those with a window, functions of one tensor, of several tensors
// element by element, those that change a picture's size, reductions, those that make large tensors of small ones, others
// that move data.
std::optional<Written> write_windowed(const NodeContext& context);
std::optional<Written> write_unary(const NodeContext& context);
std::optional<Written> write_binary(const NodeContext& context);
std::optional<Written> write_pixels(const NodeContext& context);
std::optional<Written> write_reduction(const NodeContext& context);
std::optional<Written> write_fill(const NodeContext& context);
std::optional<Written> write_other(const NodeContext& context);
// Those that take a tensor apart, into several outputs maybe, which are set. False for a node that it does not know.
bool write_parts(const NodeContext& context);

}  // namespace tfengine::bridges::onnx
