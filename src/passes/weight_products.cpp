// SPDX-License-Identifier: Apache-2.0
#include "passes/weight_products.h"

#include <algorithm>

#include "passes/rewrite.h"

namespace tfengine::passes {

namespace {

// [k, n], or [n, k] with adj_y, in front of which there may be axes of size 1.
bool is_one_matrix(const Graph& graph, ValueId weights, size_t rank) {
  const ir::Value& value = graph.value(weights);
  if (!value.is_constant() || value.dtype != DType::F32 || value.shape.rank() < 2 || value.shape.rank() > rank)
    return false;
  const int64_t matrix = value.shape.back() * value.shape[value.shape.rank() - 2];
  // Reshaping makes a constant of its own, which would lose the range.
  return value.constant.elements() == matrix && (value.shape.rank() == 2 || !value.range);
}

bool is_weight_product(const Graph& graph, const Node& node) {
  if (!may_change(node) || node.op != "BatchMatMulV2" || !node.epilogue.empty()) return false;
  if (node.attr_or<bool>("adj_x", false) || !is_float(graph, node.inputs[0])) return false;
  const Shape& rows = graph.value(node.inputs[0]).shape;
  // Sizes of 0 leave a -1 of a reshape open.
  if (!rows.ranked() || std::count(rows.begin(), rows.end(), 0) > 0) return false;
  return rows.rank() >= 2 && !graph.value(node.inputs[0]).is_constant() &&
         is_one_matrix(graph, node.inputs[1], rows.rank());
}

class Layer {
 public:
  Layer(Graph& graph, NodeId id) : graph_(graph), id_(id), beside_(graph, id) {}

  void make() {
    const ValueId rows = graph_.node(id_).inputs[0];
    const Shape shape = graph_.value(rows).shape;
    const bool turned = graph_.node(id_).attr_or<bool>("adj_y", false);
    const ValueId weights = matrix(graph_.node(id_).inputs[1]);
    const Shape& weights_shape = graph_.value(weights).shape;
    const int64_t inputs = weights_shape[turned ? 1 : 0], outputs = weights_shape[turned ? 0 : 1];
    const ir::Attrs attrs{{"transpose_a", false}, {"transpose_b", turned}};
    if (shape.rank() == 2) return rewrite_node(graph_, id_, "MatMul", {rows, weights}, attrs);
    const ValueId flat = beside_.add("Reshape", "rows", {rows, beside_.ints("rows_shape", {-1, inputs})});
    const ValueId product = beside_.add("MatMul", "product", {flat, weights}, attrs);
    rewrite_node(graph_, id_, "Reshape", {product, result_shape(rows, shape, outputs)});
  }

 private:
  ValueId matrix(ValueId weights) {
    const Tensor& constant = graph_.value(weights).constant;
    const Shape& shape = constant.shape();
    if (shape.rank() == 2) return weights;
    return beside_.constant("matrix", constant.reshaped({shape[shape.rank() - 2], shape.back()}));
  }

  // The rows' own shape but for the last axis. One size that is not known is -1; more of them are taken from the rows.
  ValueId result_shape(ValueId rows, const Shape& shape, int64_t outputs) {
    if (unknown_dims(shape) - (shape.back() < 0 ? 1 : 0) <= 1) {
      std::vector<int64_t> sizes(shape.begin(), shape.end());
      sizes.back() = outputs;
      return beside_.ints("shape", sizes);
    }
    const ValueId all = beside_.add("Shape", "shape_of", {rows}, {{"out_type", DType::S32}});
    const ValueId batch =
        beside_.add("Slice", "sizes",
                    {all, beside_.ints("begin", {0}), beside_.ints("count", {static_cast<int64_t>(shape.rank()) - 1})});
    const ValueId axis = beside_.constant("axis", Tensor(DType::S32, Shape{}));
    return beside_.add("ConcatV2", "shape", {batch, beside_.ints("outputs", {outputs}), axis});
  }

  Graph& graph_;
  NodeId id_;
  NodesBeside beside_;
};

}  // namespace

int weight_products(Graph& graph, PassContext&) {
  int made = 0;
  for (const NodeId id : graph.order()) {
    if (!is_weight_product(graph, graph.node(id))) continue;
    Layer(graph, id).make();
    ++made;
  }
  return made;
}

}  // namespace tfengine::passes
