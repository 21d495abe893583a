// SPDX-License-Identifier: Apache-2.0
// Depthwise convolutions whose results lie over their source, band by band.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "backends/list.h"
#include "ir/parser.h"
#include "ops/op.h"
#include "plan/planner.h"
#include "support/conformance.h"
#include "support/random.h"

namespace tfengine {
namespace {

struct Case {
  std::string input, output;  // batch, height, width, channels
  int64_t kernel = 3, stride = 2;
  std::string padding = "padding=\"SAME\"";
  std::string epilogue = "epilogue(after=Clip(0.0, 6.0))";
};

ir::Graph depthwise(const Case& c, bool int8) {
  const std::string channels = c.input.substr(c.input.rfind(',') + 1);
  const std::string step =
      fmt::format("DepthwiseConv2dNative(%x, %w) {{strides=[1,{0},{0},1], {1}}} {2}", c.stride, c.padding, c.epilogue);
  const std::string weights = fmt::format("[{0},{0},{1},1]", c.kernel, channels);
  ir::Graph graph = ir::parse(
      int8 ? fmt::format("graph @g(%in: f32[{}]) {{ %x = Quantize(%in) -> u8[{}] quant(scale=0.02) "
                         "%w = const s8{} uniform(1, -127, 127) quant(scale=0.01) "
                         "%step = {} -> u8[{}] quant(scale=0.03) %y = Dequantize(%step) return %y }}",
                         c.input, c.input, weights, step, c.output)
           : fmt::format("graph @g(%x: f32[{}]) {{ %w = const f32{} uniform(1, -1.0, 1.0) %step = {} return %step }}",
                         c.input, weights, step));
  ops::infer_graph(graph);
  EXPECT_EQ(graph.value(graph.outputs[0].value).shape.str(), "[" + c.output + "]");
  return graph;
}

std::vector<std::string> banded_tactics(const ir::Graph& graph, int threads) {
  const std::vector<plan::TensorDesc> descs = plan::describe_values(graph);
  std::vector<std::string> names;
  for (const ir::NodeId id : graph.order()) {
    if (graph.node(id).op != "DepthwiseConv2dNative") continue;
    auto found = backends_by_name("onednn").front()->tactics(plan::step_spec(graph, graph.node(id), descs, threads));
    for (const plan::Tactic& tactic : std::get<std::vector<plan::Tactic>>(found)) {
      EXPECT_EQ(tactic.may_overwrite_start != 0, tactic.name.ends_with(":bands")) << tactic.name;
      if (tactic.may_overwrite_start != 0) names.push_back(tactic.name);
    }
  }
  return names;
}

void expect_right(const Case& c) {
  for (const bool int8 : {false, true}) {
    SCOPED_TRACE(fmt::format("{} {}", c.input, int8 ? "int8" : "float"));
    const ir::Graph graph = depthwise(c, int8);
    testing::Random random(3);
    const std::vector<Tensor> inputs = testing::random_inputs(random, graph);
    for (const int threads : {1, 3}) {
      const auto banded = banded_tactics(graph, threads);
      EXPECT_FALSE(banded.empty());
      const testing::Conformance found =
          testing::run_conformance(*backends_by_name("onednn").front(), graph, inputs, threads);
      EXPECT_EQ(found.failures, std::vector<std::string>{});
      EXPECT_GT(found.tactics, static_cast<int>(banded.size()));
    }
  }
}

TEST(Banded, OfEvenAndOddSizes) {
  expect_right({"1,112,112,32", "1,56,56,32"});
  expect_right({"1,91,97,33", "1,46,49,33"});
  expect_right({"1,64,260,20", "1,32,130,20", 2});
  expect_right({"1,90,80,40", "1,30,27,40", 3, 3});
  expect_right({"1,96,96,32", "1,47,47,32", 3, 2, "padding=\"VALID\""});
  expect_right({"1,96,96,32", "1,48,48,32", 3, 2, "padding=\"EXPLICIT\", explicit_paddings=[0,0,1,0,1,0,0,0]"});
}

TEST(Banded, OfLargerKernelsAndOtherActivations) {
  expect_right({"1,96,96,32", "1,48,48,32", 5});
  expect_right({"1,96,96,32", "1,48,48,32", 7, 2, "padding=\"SAME\"", "epilogue(after=Sigmoid)"});
}

TEST(Banded, OfManyImages) {
  for (const int64_t batch : {2, 3, 4, 5, 17}) {
    expect_right({fmt::format("{},64,64,72", batch), fmt::format("{},32,32,72", batch)});
  }
}

TEST(Banded, NotWhereItDoesNotFitOrDoesNotMatter) {
  const auto none = [](const Case& c) {
    for (const bool int8 : {false, true}) EXPECT_EQ(banded_tactics(depthwise(c, int8), 2).size(), 0u) << c.input;
  };
  none({"1,112,112,32", "1,112,112,32", 3, 1});  // as large as its source
  none({"1,32,32,32", "1,16,16,32"});            // little memory
  none({"1,3,600,200", "1,2,300,200"});          // a row is all
}

// The arena is the source of the convolution alone, and a plan says so step by step.
TEST(Banded, AreTakenWhereTheArenaIsFullest) {
  const std::string text = R"(graph @g(%x: f32[2,112,112,8]) {
    %e = const f32[1,1,8,96] uniform(1, -1.0, 1.0)
    %w = const f32[3,3,96,1] uniform(2, -1.0, 1.0)
    %p = const f32[1,1,96,24] uniform(3, -1.0, 1.0)
    %wide = Conv2D(%x, %e) {strides=[1,1,1,1], padding="SAME"}
    %half = DepthwiseConv2dNative(%wide, %w) {strides=[1,2,2,1], padding="SAME"}
    %y = Conv2D(%half, %p) {strides=[1,1,1,1], padding="SAME"}
    %z = Relu(%y)
    return %z
  })";
  ir::Graph graph = ir::parse(text);
  ops::infer_graph(graph);
  plan::PlanOptions options;
  options.backends = backends_by_name("");
  options.threads = 2;
  options.measure = false;
  plan::PackedStore packed(default_allocator());
  const plan::Plan plan = plan::make_plan(graph, packed, options);
  const uint64_t wide = 2 * 112 * 112 * 96 * 4, half = wide / 4;
  EXPECT_EQ(plan.arena_bytes, wide);
  EXPECT_EQ(plan.arena_lower_bound_bytes, wide);
  std::vector<uint64_t> live(plan.steps.size(), 0);
  for (const plan::ArenaBlock& block : plan.arena) {
    for (int step = block.first_step; step <= block.last_step; ++step) live[static_cast<size_t>(step)] += block.bytes;
  }
  EXPECT_EQ(live[0], wide);
  EXPECT_EQ(live[1], wide);
  EXPECT_LT(live[2], half + half / 2);
}

}  // namespace
}  // namespace tfengine
