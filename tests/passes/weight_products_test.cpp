// SPDX-License-Identifier: Apache-2.0
// Batches of matrices times one constant matrix become MatMul: results stay, whatever the shapes.
#include "passes/weight_products.h"

#include <gtest/gtest.h>

#include "ops/op.h"
#include "passes/pipeline.h"
#include "passes/support.h"

namespace tfengine::passes {
namespace {

struct ProductCase {
  Shape rows, weights;
  bool adj_x, adj_y;
  const char* nodes;  // the ops that are left, in order
};

ir::Graph product_graph(const ProductCase& one) {
  ir::Graph graph;
  const ir::ValueId x = graph.add_input("x", DType::F32, one.rows);
  Tensor weights(DType::F32, one.weights);
  for (int64_t i = 0; i < weights.elements(); ++i) weights.mutable_as<float>()[i] = static_cast<float>(i % 7) - 3.0f;
  const ir::NodeId node = graph.add_node("BatchMatMulV2", "product", {x, graph.add_constant("w", weights)},
                                         {{"adj_x", one.adj_x}, {"adj_y", one.adj_y}});
  graph.outputs = {{"y", graph.output(node)}};
  ops::infer_graph(graph);
  return graph;
}

TEST(WeightProducts, BecomeMatMul) {
  const ProductCase cases[] = {
      {{3, 4}, {4, 5}, false, false, "MatMul"},
      {{3, 4}, {5, 4}, false, true, "MatMul"},
      {{2, 3, 4}, {4, 5}, false, false, "Reshape MatMul Reshape"},
      {{2, 3, 4}, {5, 4}, false, true, "Reshape MatMul Reshape"},
      {{2, 1, 3, 4}, {1, 4, 5}, false, false, "Reshape MatMul Reshape"},
      {{-1, 3, 4}, {4, 5}, false, false, "Reshape MatMul Reshape"},
      {{-1, -1, 4}, {4, 5}, false, false, "Reshape MatMul Shape Slice ConcatV2 Reshape"},
      // One matrix for each of the batch, a matrix that widens the result, columns in place of rows.
      {{2, 3, 4}, {2, 4, 5}, false, false, "BatchMatMulV2"},
      {{3, 4}, {1, 4, 5}, false, false, "BatchMatMulV2"},
      {{2, 4, 3}, {4, 5}, true, false, "BatchMatMulV2"},
      {{2, 0, 4}, {4, 5}, false, false, "BatchMatMulV2"},
  };
  for (const ProductCase& one : cases) {
    SCOPED_TRACE(one.rows.str() + " x " + one.weights.str());
    const ir::Graph before = product_graph(one);
    const ir::Graph after = expect_rewrite(before, weight_products, 1e-6, one.nodes);
    EXPECT_EQ(after.value(after.outputs[0].value).shape, before.value(before.outputs[0].value).shape);
  }
}

TEST(WeightProducts, LeavesWhatIsDenylisted) {
  ir::Graph graph = product_graph({{2, 3, 4}, {4, 5}, false, false, ""});
  graph.node(graph.order()[0]).denylisted = true;
  PassContext context;
  EXPECT_EQ(weight_products(graph, context), 0);
}

}  // namespace
}  // namespace tfengine::passes
