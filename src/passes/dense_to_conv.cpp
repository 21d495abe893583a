// SPDX-License-Identifier: Apache-2.0
#include "passes/dense_to_conv.h"

#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

bool plain_matmul(const Graph& graph, const Node& matmul) {
  return matmul.epilogue.empty() && !matmul.attr_or<bool>("transpose_a", false) &&
         !matmul.attr_or<bool>("transpose_b", false) && float_constant(graph, matmul.inputs[1]) != nullptr;
}

// [n,h,w,c] and [n,h,w,d]: the same pixels. Both reshapes keep the number of elements, so one unknown is settled.
bool same_pixels(const Shape& x, const Shape& y) {
  if (!x.ranked() || !y.ranked() || x.rank() != 4 || y.rank() != 4) return false;
  return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && unknown_dims(Shape{x[0], x[1], x[2]}) <= 1;
}

}  // namespace

int dense_to_conv(Graph& graph, PassContext&) {
  int changed = 0;
  for (const NodeId id : graph.order()) {
    const Node& after = graph.node(id);
    if (!may_change(after) || after.op != "Reshape") continue;
    const NodeId matmul_id = sole_producer(graph, after.inputs[0], "MatMul");
    if (matmul_id == kNone || !plain_matmul(graph, graph.node(matmul_id))) continue;
    const Node& matmul = graph.node(matmul_id);
    const NodeId before_id = producer_of(graph, matmul.inputs[0], "Reshape");
    if (before_id == kNone) continue;
    const ValueId x = graph.node(before_id).inputs[0];
    const Tensor& weights = graph.value(matmul.inputs[1]).constant;
    const int64_t in = weights.shape()[0];
    const int64_t out = weights.shape()[1];
    const Shape& from = graph.value(x).shape;
    const Shape& to = graph.value(after.outputs[0]).shape;
    if (!same_pixels(from, to) || from[3] != in || to[3] != out || !is_float(graph, x)) continue;
    const ValueId filter = graph.add_constant(graph.unique_name(graph.value(matmul.inputs[1]).name + "/as_filter"),
                                              weights.reshaped(Shape{1, 1, in, out}));
    graph.node(id).name = matmul.name;
    rewrite_node(graph, id, "Conv2D", {x, filter},
                 {{"strides", std::vector<int64_t>{1, 1, 1, 1}}, {"padding", std::string("VALID")}});
    ++changed;
  }
  return changed;
}

}  // namespace tfengine::passes
