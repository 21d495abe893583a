// SPDX-License-Identifier: Apache-2.0
// The simulated graph computes what the INT8 graph means by definition.
#include "bridges/simulated.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ir/parser.h"
#include "ir/verifier.h"
#include "ops/op.h"
#include "quantize/metrics.h"
#include "quantize/rewrite.h"
#include "quantize/rules.h"
#include "support/random.h"
#include "tfengine/error.h"

namespace tfengine::bridges {
namespace {

void observe(void* state, ir::ValueId id, const Tensor& tensor) {
  auto& [graph, set] = *static_cast<std::pair<const ir::Graph*, quantize::HistogramSet>*>(state);
  if (tensor.dtype() != DType::F32 || graph->value(id).is_constant()) return;
  set.tensors[graph->value(id).name].add(tensor.as<float>(), static_cast<size_t>(tensor.elements()));
}

// By definition: everything in INT8 that can be.
ir::Graph int8_graph(const ir::Graph& graph, const std::vector<Tensor>& inputs, quantize::Int8Grid grid,
                     bool asymmetric = false) {
  std::pair<const ir::Graph*, quantize::HistogramSet> state{&graph, {}};
  ops::evaluate_graph(graph, inputs, observe, &state);
  quantize::RewriteOptions options;
  options.grid = grid;
  options.asymmetric = asymmetric;
  options.missing = quantize::MissingRange::KeepFloat;
  const auto solved = quantize::solve_ranges(state.second, {"minmax"}, quantize::non_negative_names(graph));
  return quantize::rewrite_to_int8(graph, solved.table, options).graph;
}

constexpr const char* kNetwork = R"(graph @g(%x: f32[?,8,8,3]) {
  %w1 = const f32[3,3,3,8] uniform(1, -0.5, 0.5)
  %b1 = const f32[8] uniform(2, -0.5, 0.5)
  %dw = const f32[3,3,8,1] uniform(3, -0.5, 0.5)
  %w2 = const f32[1,1,8,8] uniform(4, -0.5, 0.5)
  %w3 = const f32[1,1,8,4] uniform(5, -0.5, 0.5)
  %fc = const f32[12,10] uniform(6, -0.5, 0.5)
  %axis = const s32[] [3]
  %hw = const s32[2] [1, 2]
  %pads = const s32[4,2] [0, 0, 1, 0, 0, 1, 0, 0]
  %c1 = Conv2D(%x, %w1, %b1) {strides=[1,1,1,1], padding="SAME"} epilogue(bias=2, after=Relu)
  %d = DepthwiseConv2dNative(%c1, %dw, %b1) {strides=[1,1,1,1], padding="SAME"} epilogue(bias=2, after=Clip(0.0, 6.0))
  %c2 = Conv2D(%d, %w2, %b1, %c1) {strides=[1,1,1,1], padding="SAME"} epilogue(bias=2, before=Swish, residual=3, after=HardSwish)
  %p = Pad(%c2, %pads)
  %m = MaxPool(%p) {ksize=[1,2,2,1], strides=[1,1,1,1], padding="VALID"}
  %c3 = Conv2D(%m, %w3) {strides=[1,1,1,1], padding="SAME"} epilogue(after=LeakyRelu(0.1))
  %j = ConcatV2(%m, %c3, %axis)
  %a = AvgPool(%j) {ksize=[1,2,2,1], strides=[1,2,2,1], padding="SAME"}
  %mean = Mean(%a, %hw) {keep_dims=false}
  %y = MatMul(%mean, %fc)
  return %y as "scores"
})";

TEST(Simulated, ComputesWhatTheInt8GraphMeans) {
  ir::Graph graph = ir::parse(kNetwork);
  ops::infer_graph(graph);
  testing::Random random(7);
  const std::vector<Tensor> inputs = testing::random_inputs(random, graph);
  using quantize::Int8Grid;
  for (const auto& [grid, asymmetric] :
       {std::pair(Int8Grid::Best, false), {Int8Grid::Best, true}, {Int8Grid::TensorRT, false}}) {
    const ir::Graph quantized = int8_graph(graph, inputs, grid, asymmetric);
    // The tensors around the concatenation come from a leaky relu and a hard swish.
    EXPECT_EQ(quantized.value(quantized.find_value("j")).quant.zero_point != 0, asymmetric);
    const ir::Graph plain = simulated(quantized);
    ir::verify(plain);
    for (ir::NodeId id = 0; id < plain.node_count(); ++id) EXPECT_TRUE(plain.node(id).epilogue.empty());
    EXPECT_EQ(plain.outputs[0].name, "scores");
    const Tensor expected = ops::evaluate_graph(quantized, inputs)[0], got = ops::evaluate_graph(plain, inputs)[0];
    ASSERT_EQ(got.shape(), expected.shape());
    const auto count = static_cast<size_t>(expected.elements());
    // Halves are rounded up by the one and to even by the other: an integer is one off where a sum lies between two.
    EXPECT_GT(quantize::signal_to_noise_db({expected.as<float>(), count}, {got.as<float>(), count}), 45.0);
  }
}

TEST(Simulated, FloatGraphsStayAsTheyAre) {
  ir::Graph graph = ir::parse(kNetwork);
  ops::infer_graph(graph);
  testing::Random random(8);
  const std::vector<Tensor> inputs = testing::random_inputs(random, graph);
  const Tensor expected = ops::evaluate_graph(graph, inputs)[0], got = ops::evaluate_graph(simulated(graph), inputs)[0];
  for (int64_t i = 0; i < expected.elements(); ++i) {
    ASSERT_NEAR(got.as<float>()[i], expected.as<float>()[i], 1e-5f) << i;
  }
}

TEST(Simulated, RefusesBfloat16) {
  ir::Graph graph = ir::parse(R"(graph @g(%x: bf16[2]) {
    %y = Relu(%x)
    return %y
  })");
  ops::infer_graph(graph);
  try {
    simulated(graph);
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "[export] tensor 'x' is bfloat16; expected an engine of precision fp32 or int8");
  }
}

}  // namespace
}  // namespace tfengine::bridges
