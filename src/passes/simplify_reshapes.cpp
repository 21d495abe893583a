// SPDX-License-Identifier: Apache-2.0
#include "passes/simplify_reshapes.h"

#include <algorithm>

#include "base/check.h"
#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

bool is_reshape_like(std::string_view op) { return op == "Reshape" || op == "Squeeze" || op == "ExpandDims"; }

// Equal shapes, with at most one unknown dimension: as many elements then make that one equal too.
bool certainly_same(const Graph& graph, ValueId a, ValueId b) {
  return same_shape(graph, a, b) && unknown_dims(graph.value(a).shape) <= 1;
}

// A Reshape to a constant shape, with one -1 at most, whatever computed the shape before.
bool constant_shape(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (!is_reshape_like(node.op) || !node.epilogue.empty()) return false;
  const Shape& shape = graph.value(node.outputs[0]).shape;
  if (!shape.ranked() || unknown_dims(shape) > 1) return false;
  // A -1 cannot be resolved next to an empty dimension.
  if (unknown_dims(shape) == 1 && std::count(shape.begin(), shape.end(), 0) > 0) return false;
  if (node.op == "Reshape" && graph.value(node.inputs[1]).is_constant()) return false;
  const ValueId target = add_int_vector(graph, node.name + "/shape", shape.dims());
  rewrite_node(graph, id, "Reshape", {node.inputs[0], target});
  return true;
}

// Reshape(Reshape(x)) -> Reshape(x).
bool skip_inner(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.op != "Reshape" || !graph.value(node.inputs[1]).is_constant()) return false;
  const NodeId inner = producer_of(graph, node.inputs[0]);
  if (inner == kNone || !is_reshape_like(graph.node(inner).op) || graph.value(node.inputs[0]).range) return false;
  graph.set_input(id, 0, graph.node(inner).inputs[0]);
  return true;
}

bool all_zero(const Graph& graph, ValueId value) {
  const auto numbers = int_constant(graph, value);
  return numbers && std::all_of(numbers->begin(), numbers->end(), [](int64_t x) { return x == 0; });
}

// StridedSlice of everything in order; an ellipsis or new axis would show in the rank or in the masks.
bool is_whole_slice(const Graph& graph, const Node& node) {
  const auto strides = int_constant(graph, node.inputs[3]);
  return strides && std::all_of(strides->begin(), strides->end(), [](int64_t s) { return s == 1; }) &&
         node.attr_or<int64_t>("new_axis_mask", 0) == 0 && node.attr_or<int64_t>("shrink_axis_mask", 0) == 0 &&
         unknown_dims(graph.value(node.outputs[0]).shape) == 0;
}

bool does_nothing(const Graph& graph, const Node& node) {
  const ValueId in = node.inputs[0];
  const ValueId out = node.outputs[0];
  if (is_reshape_like(node.op) || node.op == "BroadcastTo") return certainly_same(graph, in, out);
  if (node.op == "Slice") return certainly_same(graph, in, out) && unknown_dims(graph.value(out).shape) == 0;
  if (node.op == "StridedSlice") return certainly_same(graph, in, out) && is_whole_slice(graph, node);
  if (node.op == "Pad" || node.op == "PadV2" || node.op == "MirrorPad") return all_zero(graph, node.inputs[1]);
  if (node.op == "Cast") return graph.value(in).dtype == graph.value(out).dtype;
  if (node.op == "ConcatV2") return node.inputs.size() == 2 && same_shape(graph, in, out);
  if (node.op == "AddN") return node.inputs.size() == 1;
  if (node.op == "Tile") {
    const auto multiples = int_constant(graph, node.inputs[1]);
    return multiples && std::all_of(multiples->begin(), multiples->end(), [](int64_t m) { return m == 1; });
  }
  return false;
}

// Mean with kept dimensions, then a reshape that drops them (or the reverse): the reduction can do it alone.
bool into_reduction(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.op != "Reshape") return false;
  const NodeId mean_id = sole_producer(graph, node.inputs[0]);
  if (mean_id == kNone) return false;
  const Node& mean = graph.node(mean_id);
  const bool reduces = mean.op == "Mean" || mean.op == "Max" || mean.op == "Sum";
  if (!reduces || !mean.epilogue.empty()) return false;
  const Shape& in = graph.value(mean.inputs[0]).shape;
  const Shape& out = graph.value(node.outputs[0]).shape;
  const auto axes = int_constant(graph, mean.inputs[1]);
  if (!axes || !in.ranked() || !out.ranked() || unknown_dims(out) > 1) return false;
  const auto rank = static_cast<int64_t>(in.rank());
  Shape kept = in;
  std::vector<bool> reduced(in.rank(), false);
  for (const int64_t axis : *axes) reduced[static_cast<size_t>(axis < 0 ? axis + rank : axis)] = true;
  std::vector<int64_t> dropped;
  for (size_t i = 0; i < in.rank(); ++i) {
    if (reduced[i])
      kept[i] = 1;
    else
      dropped.push_back(in[i]);
  }
  const bool keep = mean.attr_or<bool>("keep_dims", false);
  if (out != (keep ? Shape(dropped) : kept)) return false;
  graph.node(mean_id).attrs.insert_or_assign("keep_dims", ir::Attr(!keep));
  absorb(graph, mean_id, id);
  return true;
}

}  // namespace

int simplify_reshapes(Graph& graph, PassContext&) {
  int changed = 0;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!may_change(node) || node.inputs.empty() || node.outputs.size() != 1) continue;
    bool rewritten = constant_shape(graph, id);
    rewritten |= skip_inner(graph, id);
    if (does_nothing(graph, node))
      rewritten |= bypass(graph, id, node.inputs[0]);
    else
      rewritten |= into_reduction(graph, id);
    changed += rewritten;
  }
  return changed;
}

}  // namespace tfengine::passes
