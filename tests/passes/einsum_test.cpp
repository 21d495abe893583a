// SPDX-License-Identifier: Apache-2.0
// Einsum as matrix products, and dilated convolutions out of SpaceToBatchND: results stay, whatever the shapes.
#include <gtest/gtest.h>

#include "ops/op.h"
#include "passes/dilated_convolutions.h"
#include "passes/lower_einsum.h"
#include "passes/pipeline.h"
#include "passes/support.h"

namespace tfengine::passes {
namespace {

using List = std::vector<int64_t>;

struct EinsumCase {
  const char* equation;
  Shape a, b;
  bool constant_b;
  const char* nodes;  // the ops that are left, in order
};

ir::Graph einsum_graph(const EinsumCase& one) {
  ir::Graph graph;
  const ir::ValueId a = graph.add_input("a", DType::F32, one.a);
  ir::ValueId b = ir::kNone;
  if (one.constant_b) {
    Tensor weights(DType::F32, one.b);
    for (int64_t i = 0; i < weights.elements(); ++i) weights.mutable_as<float>()[i] = static_cast<float>(i % 7) - 3.0f;
    b = graph.add_constant("w", weights);
  } else {
    b = graph.add_input("b", DType::F32, one.b);
  }
  const ir::NodeId node = graph.add_node("Einsum", "product", {a, b}, {{"equation", std::string(one.equation)}});
  graph.outputs = {{"y", graph.output(node)}};
  return graph;
}

TEST(LowerEinsum, MakesMatrixProducts) {
  const EinsumCase cases[] = {
      {"ij,jk->ik", {3, 4}, {4, 5}, true, "MatMul"},
      {"ij,jk->ik", {3, 4}, {4, 5}, false, "BatchMatMulV2"},
      {"bij,bjk->bik", {2, 3, 4}, {2, 4, 5}, false, "BatchMatMulV2"},
      {"bij,bkj->bik", {2, 3, 4}, {2, 5, 4}, false, "BatchMatMulV2"},
      {"ijb,jkb->ikb", {3, 4, 2}, {4, 5, 2}, false, "Transpose Transpose BatchMatMulV2 Transpose"},
      {"...ij,jk->...ik", {2, 3, 4}, {4, 5}, false, "Reshape BatchMatMulV2 Reshape"},
      {"aecd,abcd->acbe", {2, 3, 2, 4}, {2, 5, 2, 4}, false, "Transpose Transpose BatchMatMulV2"},
      {"acbe,aecd->abcd", {2, 2, 5, 3}, {2, 3, 2, 4}, false, "Transpose BatchMatMulV2 Transpose"},
      // A diagonal, and a sum over one operand's label, are no matrix products.
      {"iij,jk->ik", {3, 3, 4}, {4, 5}, false, "Einsum"},
      {"ijx,jk->ik", {3, 4, 2}, {4, 5}, false, "Einsum"},
  };
  for (const EinsumCase& one : cases) {
    SCOPED_TRACE(one.equation);
    expect_rewrite(einsum_graph(one), lower_einsum, 1e-5, one.nodes);
  }
}

TEST(LowerEinsum, TakesUnknownSizes) {
  // The projections of an attention layer whose batch and sequence are unknown.
  const EinsumCase one{"abc,cde->abde", {-1, -1, 6}, {6, 2, 3}, true, ""};
  ir::Graph before = einsum_graph(one);
  ops::infer_graph(before);
  ir::Graph after = before;
  run_pipeline(after);
  EXPECT_EQ(ops_left(after).find("Einsum"), std::string::npos) << nodes_text(after);
  EXPECT_NE(ops_left(after).find("MatMul"), std::string::npos) << nodes_text(after);
  Tensor x(DType::F32, {2, 5, 6});
  for (int64_t i = 0; i < x.elements(); ++i) x.mutable_as<float>()[i] = static_cast<float>(i % 5) - 2.0f;
  expect_same_outputs(ops::evaluate_graph(before, std::vector<Tensor>{x}),
                      ops::evaluate_graph(after, std::vector<Tensor>{x}), 1e-5, nodes_text(after));
}

ir::Graph dilated_graph(bool flat, const List& pads, const List& crops) {
  ir::Graph graph;
  const auto ints = [&](const char* name, const List& values, Shape shape) {
    return graph.add_constant(name, Tensor::of<int64_t>(DType::S64, std::move(shape), values));
  };
  const auto rank = static_cast<int64_t>(flat ? 1 : 2);
  const ir::ValueId x = graph.add_input("x", DType::F32, flat ? Shape{2, 9, 3} : Shape{2, 9, 8, 3});
  const ir::ValueId block = ints("block", List(static_cast<size_t>(rank), 2), {rank});
  ir::ValueId value =
      graph.output(graph.add_node("SpaceToBatchND", "space", {x, block, ints("pads", pads, {rank, 2})}));
  if (flat) value = graph.output(graph.add_node("ExpandDims", "expand", {value, ints("axis", {1}, {})}));
  Tensor filter(DType::F32, flat ? Shape{1, 3, 3, 4} : Shape{3, 3, 3, 4});
  for (int64_t i = 0; i < filter.elements(); ++i) filter.mutable_as<float>()[i] = static_cast<float>(i % 5) - 2.0f;
  value = graph.output(graph.add_node("Conv2D", "conv", {value, graph.add_constant("filter", filter)},
                                      {{"strides", List{1, 1, 1, 1}}, {"padding", std::string("VALID")}}));
  if (flat) value = graph.output(graph.add_node("Squeeze", "squeeze", {value}, {{"squeeze_dims", List{1}}}));
  value = graph.output(graph.add_node("BatchToSpaceND", "batch", {value, block, ints("crops", crops, {rank, 2})}));
  graph.outputs = {{"y", value}};
  return graph;
}

void expect_dilated(const ir::Graph& graph, const char* nodes) {
  expect_rewrite(graph, dilated_convolutions, 1e-5, nodes);
}

TEST(DilatedConvolutions, BecomeOne) {
  // SAME: 2 pixels on each side, and one more so that blocks of 2 fit.
  expect_dilated(dilated_graph(false, {2, 3, 2, 2}, {0, 1, 0, 0}), "Conv2D");
  expect_dilated(dilated_graph(true, {2, 3}, {0, 1}), "ExpandDims Conv2D Squeeze");
  expect_dilated(dilated_graph(true, {4, 1}, {0, 1}), "ExpandDims Conv2D Squeeze");  // causal
}

TEST(DilatedConvolutions, StayWhereMoreIsCroppedThanPadded) {
  expect_dilated(dilated_graph(true, {0, 1}, {1, 0}), "SpaceToBatchND ExpandDims Conv2D Squeeze BatchToSpaceND");
}

}  // namespace
}  // namespace tfengine::passes
