// SPDX-License-Identifier: Apache-2.0
// Nodes that were fused by TensorFlow's users or Grappler: taken apart, and fused again as this library does it.
#include <gtest/gtest.h>

#include "ops/op.h"
#include "passes/lower_fused_nodes.h"
#include "passes/support.h"
#include "tfengine/error.h"

namespace tfengine::passes {
namespace {

// A residual layer as cuDNN has it, in NCHW with filters OIHW.
ir::Graph residual_layer(float conv_scale, float side_scale, const std::string& mode = "Relu") {
  ir::Graph graph;
  const ir::ValueId image = graph.add_input("image", DType::F32, {2, 3, 5, 4});
  const ir::ValueId side = graph.add_input("side", DType::F32, side_scale == 0.0f ? Shape{0} : Shape{2, 2, 5, 4});
  Tensor filter(DType::F32, {2, 3, 3, 3});
  for (int64_t i = 0; i < filter.elements(); ++i) filter.mutable_as<float>()[i] = static_cast<float>(i % 7) - 3.0f;
  const ir::ValueId w = graph.add_constant("w", filter);
  const ir::ValueId bias = graph.add_constant("b", Tensor::of(DType::F32, {2}, std::vector<float>{0.5f, -1.0f}));
  const auto scale = [&](const char* name, float value) {
    return graph.add_constant(name, Tensor::of(DType::F32, {}, std::vector<float>{value}));
  };
  const ir::NodeId node =
      graph.add_node("FusedConv2DBiasActivation", "layer",
                     {image, w, bias, side, scale("conv_scale", conv_scale), scale("side_scale", side_scale)},
                     {{"T", DType::F32},
                      {"strides", std::vector<int64_t>{1, 1, 1, 1}},
                      {"padding", std::string("SAME")},
                      {"data_format", std::string("NCHW")},
                      {"filter_format", std::string("OIHW")},
                      {"activation_mode", mode}});
  graph.outputs = {{"y", graph.output(node)}};
  return graph;
}

TEST(LowerFusedNodes, CudnnConvolutions) {
  expect_rewrite(residual_layer(1.0f, 0.5f), lower_fused_nodes, 1e-5,
                 "Transpose Transpose Conv2D Transpose Cast Mul AddV2 Cast BiasAdd Relu Transpose Identity");
  // A side input that counts for nothing is not read, whatever its shape; a scale of one multiplies nothing.
  expect_rewrite(residual_layer(1.0f, 0.0f, "None"), lower_fused_nodes, 1e-5,
                 "Transpose Transpose Conv2D Cast BiasAdd Transpose Identity");
}

ir::Graph grappler_node(const std::string& op, size_t arguments, const std::vector<std::string>& fused_ops) {
  ir::Graph graph;
  std::vector<ir::ValueId> inputs = {graph.add_input("x", DType::F32, {3, 4}),
                                     graph.add_input("w", DType::F32, {4, 2})};
  for (size_t i = 0; i < arguments; ++i) {
    inputs.push_back(graph.add_input("argument_" + std::to_string(i), DType::F32, i == 0 ? Shape{2} : Shape{3, 2}));
  }
  const ir::NodeId node = graph.add_node(op, "layer", inputs, {{"T", DType::F32}, {"fused_ops", fused_ops}});
  graph.outputs = {{"y", graph.output(node)}};
  return graph;
}

TEST(LowerFusedNodes, GrapplersProducts) {
  expect_rewrite(grappler_node("_FusedMatMul", 1, {"BiasAdd", "GeluExact"}), lower_fused_nodes, 1e-5,
                 "MatMul BiasAdd Gelu Identity");
  expect_rewrite(grappler_node("_FusedMatMul", 2, {"BiasAdd", "Add", "Tanh"}), lower_fused_nodes, 1e-5,
                 "MatMul BiasAdd AddV2 Tanh Identity");
}

TEST(LowerFusedNodes, SaysWhatIsWrong) {
  const auto message = [](ir::Graph graph) {
    try {
      ops::infer_graph(graph);
    } catch (const InvalidModel& error) {
      return std::string(error.what());
    }
    return std::string("nothing is wrong");
  };
  EXPECT_EQ(message(grappler_node("_FusedMatMul", 1, {"BiasAdd", "Cube"})),
            "_FusedMatMul 'layer': fuses 'Cube', expected BiasAdd, Add, FusedBatchNorm, or an activation such as Relu");
  EXPECT_EQ(message(grappler_node("_FusedMatMul", 0, {"BiasAdd"})),
            "_FusedMatMul 'layer': has 2 inputs, too few for its fused_ops");
  EXPECT_EQ(message(grappler_node("_FusedMatMul", 2, {"BiasAdd"})),
            "_FusedMatMul 'layer': has 4 inputs, and its fused_ops take 3");
  EXPECT_EQ(message(grappler_node("FusedConv2DBiasActivation", 1, {})),
            "FusedConv2DBiasActivation 'layer': has 3 inputs, expected 6");
  EXPECT_EQ(message(residual_layer(1.0f, 1.0f, "Sigmoid")),
            "FusedConv2DBiasActivation 'layer': activation_mode is 'Sigmoid', expected Relu or None");
  ir::Graph vectors = residual_layer(1.0f, 1.0f);
  vectors.node(0).attrs["data_format"] = std::string("NCHW_VECT_C");
  EXPECT_EQ(message(vectors), "FusedConv2DBiasActivation 'layer': data_format is 'NCHW_VECT_C', expected NHWC or NCHW");
}

}  // namespace
}  // namespace tfengine::passes
