// SPDX-License-Identifier: Apache-2.0
#include "passes/dilated_convolutions.h"

#include <algorithm>

#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

using List = std::vector<int64_t>;

struct Pattern {
  NodeId space = kNone;    // SpaceToBatchND
  NodeId expand = kNone;   // ExpandDims, of one-dimensional ones
  NodeId conv = kNone;     // Conv2D or DepthwiseConv2dNative
  NodeId squeeze = kNone;  // Squeeze, of one-dimensional ones
  List block, pads;        // pads: before and after of each blocked axis
};

bool all_ones(const Node& node, std::string_view key) {
  if (!node.has(key)) return true;
  const auto& list = node.attr<List>(key);
  return std::all_of(list.begin(), list.end(), [](int64_t x) { return x == 1; });
}

bool plain_convolution(const Node& conv) {
  return (conv.op == "Conv2D" || conv.op == "DepthwiseConv2dNative") && conv.epilogue.empty() &&
         conv.attr<std::string>("padding") == "VALID" && all_ones(conv, "strides") && all_ones(conv, "dilations");
}

// The one axis that a Squeeze drops or an ExpandDims adds, counted in the larger tensor of `rank`.
std::optional<int64_t> single_axis(const Graph& graph, const Node& node, int64_t rank) {
  List axes;
  if (node.op == "Squeeze") {
    for (const char* key : {"squeeze_dims", "axis"}) {
      if (node.has(key) && axes.empty()) axes = node.attr<List>(key);
    }
  } else if (const auto axis = int_constant(graph, node.inputs[1])) {
    axes = *axis;
  }
  if (axes.size() != 1) return std::nullopt;
  return axes[0] < 0 ? axes[0] + rank : axes[0];
}

std::optional<Pattern> match(const Graph& graph, const Node& batch) {
  Pattern found;
  NodeId id = sole_producer(graph, batch.inputs[0]);
  if (id != kNone && graph.node(id).op == "Squeeze") {
    found.squeeze = id;
    id = sole_producer(graph, graph.node(id).inputs[0]);
  }
  if (id == kNone || !plain_convolution(graph.node(id))) return std::nullopt;
  found.conv = id;
  id = sole_producer(graph, graph.node(id).inputs[0]);
  if (id != kNone && graph.node(id).op == "ExpandDims") {
    found.expand = id;
    id = sole_producer(graph, graph.node(id).inputs[0]);
  }
  if (id == kNone || graph.node(id).op != "SpaceToBatchND") return std::nullopt;
  found.space = id;
  const auto block = int_constant(graph, graph.node(id).inputs[1]), back = int_constant(graph, batch.inputs[1]);
  const auto pads = int_constant(graph, graph.node(id).inputs[2]), crops = int_constant(graph, batch.inputs[2]);
  if (!block || !back || !pads || !crops || *block != *back || pads->size() != crops->size()) return std::nullopt;
  const bool flat = found.expand != kNone && found.squeeze != kNone;
  if ((found.expand == kNone) != (found.squeeze == kNone) || block->size() != (flat ? 1 : 2)) return std::nullopt;
  if (flat &&
      (single_axis(graph, graph.node(found.expand), 4) != 1 || single_axis(graph, graph.node(found.squeeze), 4) != 1)) {
    return std::nullopt;
  }
  found.block = *block;
  // What is cropped of the result need not be padded.
  for (size_t i = 0; i < pads->size(); ++i) {
    found.pads.push_back((*pads)[i] - (*crops)[i]);
    if (found.pads.back() < 0) return std::nullopt;
  }
  return found;
}

ir::Attrs dilated_attrs(const Pattern& found) {
  const bool flat = found.expand != kNone;
  const List dilations = flat ? List{1, 1, found.block[0], 1} : List{1, found.block[0], found.block[1], 1};
  List paddings(8, 0);
  std::copy(found.pads.begin(), found.pads.end(), paddings.begin() + (flat ? 4 : 2));
  return {{"strides", List{1, 1, 1, 1}},
          {"dilations", dilations},
          {"padding", std::string("EXPLICIT")},
          {"explicit_paddings", paddings},
          {"data_format", std::string("NHWC")}};
}

void rewrite(Graph& graph, NodeId id, const Pattern& found) {
  const ValueId source = graph.node(found.space).inputs[0];
  const ValueId filter = graph.node(found.conv).inputs[1];
  const std::string op = graph.node(found.conv).op;
  if (found.expand == kNone) {
    graph.node(id).name = graph.node(found.conv).name;
    return rewrite_node(graph, id, op, {source, filter}, dilated_attrs(found));
  }
  graph.set_input(found.expand, 0, source);
  graph.node(found.conv).attrs = dilated_attrs(found);
  rewrite_node(graph, id, "Squeeze", {graph.output(found.conv)}, {{"squeeze_dims", List{1}}});
}

}  // namespace

int dilated_convolutions(Graph& graph, PassContext&) {
  int changed = 0;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!may_change(node) || node.op != "BatchToSpaceND" || !node.epilogue.empty()) continue;
    const auto found = match(graph, node);
    if (!found) continue;
    rewrite(graph, id, *found);
    ++changed;
  }
  return changed;
}

}  // namespace tfengine::passes
