// SPDX-License-Identifier: Apache-2.0
// What passes make of loops and branches.
#include "passes/regions.h"

#include "passes/hoist_from_loops.h"
#include "passes/specialize.h"
#include "support.h"

namespace tfengine::passes {
namespace {

const ir::Node& only(const ir::Graph& graph, const std::string& op) {
  for (const ir::NodeId id : graph.order()) {
    if (graph.node(id).op == op) return graph.node(id);
  }
  throw std::runtime_error("no " + op);
}

constexpr const char* kLoop = R"(
graph @net(%x: f32[4,2,3], %n: s32[]) {
  %zero = const s32[] [0] %h0 = const f32[2,5] zeros %w = const f32[3,5] uniform(1, -1, 1)
  %b = const f32[5] uniform(2, -1, 1) %unused = Tanh(%x)
  %i, %h, %kept, %dead = While(%zero, %h0, %n, %zero, %x, %w, %b, %unused)
    graph @cond(%ci: s32[], %ch: f32[2,5], %cn: s32[], %cd: s32[], %cx: f32[4,2,3], %cw: f32[3,5], %cb: f32[5], %cu: f32[4,2,3]) {
      %go = Less(%ci, %cn)
      return %go
    }
    graph @body(%bi: s32[], %bh: f32[2,5], %bn: s32[], %bd: s32[], %bx: f32[4,2,3], %bw: f32[3,5], %bb: f32[5], %bu: f32[4,2,3]) {
      %axis = const s32[] [0] %one = const s32[] [1]
      %row = GatherV2(%bx, %bi, %axis)
      %m = MatMul(%row, %bw)
      %a = BiasAdd(%m, %bb)
      %s = Add(%a, %bh)
      %t = Tanh(%s)
      %more = Add(%bi, %one)
      %other = Add(%bd, %one)
      return %more, %t, %bn, %other
    }
  return %h
}
)";

TEST(SimplifyRegions, LeavesStatesThatChangeAndArgumentsThatAreRead) {
  const ir::Graph before = parse_and_infer(kLoop);
  const Rewritten result = rewrite(kLoop, {{"simplify_regions", simplify_regions}});
  const ir::Node& loop = only(result.graph, "While");
  EXPECT_EQ(loop.outputs.size(), 2u);  // the counter and %h
  EXPECT_EQ(loop.inputs.size(), 4u);   // those, the limit and the list; weights are constants of the body
  EXPECT_EQ(loop.regions[1].inputs.size(), 4u);
  EXPECT_EQ(op_histogram(result.graph).count("Tanh"), 0u);
}

TEST(HoistFromLoops, DenseLayersOfRowsAreOneProductInFrontOfTheLoop) {
  const Rewritten result = rewrite(kLoop, {{"simplify_regions", simplify_regions},
                                           {"hoist_from_loops", hoist_from_loops},
                                           {"simplify_regions", simplify_regions}});
  const std::map<std::string, int> outside = op_histogram(result.graph);
  EXPECT_EQ(outside.at("MatMul"), 1);
  EXPECT_EQ(outside.at("BiasAdd"), 1);
  const std::map<std::string, int> inside = op_histogram(only(result.graph, "While").regions[1]);
  EXPECT_EQ(inside.count("MatMul"), 0u);
  EXPECT_EQ(inside.at("GatherV2"), 1);
}

TEST(HoistFromLoops, ABiasBehindTheSumOfTwoProductsLeavesWithTheRow) {
  std::string text(kLoop);
  const auto replace = [&](const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, from.size(), to);
  };
  replace("%a = BiasAdd(%m, %bb)", "%u = const f32[5,5] uniform(3, -1, 1) %k = MatMul(%bh, %u)");
  replace("%s = Add(%a, %bh)", "%z = Add(%m, %k) %s = BiasAdd(%z, %bb)");
  const Rewritten result =
      rewrite(text, {{"simplify_regions", simplify_regions}, {"hoist_from_loops", hoist_from_loops}});
  EXPECT_EQ(op_histogram(result.graph).at("BiasAdd"), 1);
  const std::map<std::string, int> inside = op_histogram(only(result.graph, "While").regions[1]);
  EXPECT_EQ(inside.count("BiasAdd"), 0u);
  EXPECT_EQ(inside.at("MatMul"), 1);
}

TEST(SimplifyRegions, AKnownBranchStandsInTheGraph) {
  const Rewritten result = rewrite(R"(
graph @net(%x: f32[2]) {
  %yes = const bool[] [true]
  %y, %z = If(%yes, %x)
    graph @then(%a: f32[2]) { %n = Neg(%a) %m = Tanh(%n) return %m, %n }
    graph @else(%e: f32[2]) { %k = Exp(%e) return %k, %e as "same" }
  %sum = Add(%y, %z)
  return %sum, %z
})",
                                   {{"simplify_regions", simplify_regions}});
  EXPECT_EQ(op_histogram(result.graph),
            (std::map<std::string, int>{{"Add", 1}, {"Identity", 1}, {"Neg", 1}, {"Tanh", 1}}));
}

TEST(Pipeline, RunsOnRegionsAndKeepsNumbers) {
  const Rewritten result = rewrite_all(kLoop);
  const ir::Node& loop = only(result.graph, "While");
  EXPECT_EQ(op_histogram(loop.regions[1]).count("BiasAdd"), 0u);
  EXPECT_EQ(only(result.graph, "MatMul").epilogue.bias, 2);
}

TEST(Specialize, ListsTakeTheShapeOfWhatIsWritten) {
  const ir::Graph graph = parse_and_infer(R"(
graph @net(%x: f32[?,3]) {
  %shape = Shape(%x) %zero = const s32[1] [0] %one = const s32[1] [1] %none = const s32[] [0]
  %n = StridedSlice(%shape, %zero, %one, %one) {shrink_axis_mask=1}
  %list = ListReserve(%n) {element_dtype=f32, element_shape=shape[...]}
  %i, %rows = While(%none, %list, %n, %x)
    graph @cond(%ci: s32[], %cl: f32[...], %cn: s32[], %cx: f32[?,3]) { %go = Less(%ci, %cn) return %go }
    graph @body(%bi: s32[], %bl: f32[...], %bn: s32[], %bx: f32[?,3]) {
      %axis = const s32[] [0] %step = const s32[] [1]
      %row = GatherV2(%bx, %bi, %axis)
      %set = ListSetItem(%bl, %bi, %row)
      %more = Add(%bi, %step)
      return %more, %set
    }
  return %rows
})");
  EXPECT_EQ(graph.value(graph.outputs[0].value).shape, (Shape{-1, 3}));
  const ir::Graph special = specialize(graph, std::vector<Shape>{{5, 3}});
  EXPECT_EQ(special.value(special.outputs[0].value).shape, (Shape{5, 3}));
  EXPECT_EQ(only(special, "ListReserve").attr<Shape>("element_shape"), (Shape{3}));
  // The limit is a constant of the condition.
  EXPECT_EQ(only(special, "While").regions[0].inputs.size(), 3u);
}

}  // namespace
}  // namespace tfengine::passes
