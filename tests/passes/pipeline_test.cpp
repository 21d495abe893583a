// SPDX-License-Identifier: Apache-2.0
// The runner and the order of the passes.
#include "passes/pipeline.h"

#include <algorithm>

#include "base/check.h"
#include "passes/support.h"

namespace tfengine::passes {
namespace {

constexpr const char* kBlock = R"(graph @g(%x: f32[?,6,6,3]) {
  %w = const f32[3,3,3,3] uniform(1, -1.0, 1.0)
  %b = const f32[3] uniform(2, -1.0, 1.0)
  %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
  %d = BiasAdd(%c, %b)
  %r = Relu6(%d)
  %a = Add(%r, %x)
  %i = Identity(%a)
  return %i as "Identity"
})";

TEST(Pipeline, FusesABlockAndKeepsTheOutputsName) {
  EXPECT_EQ(rewrite_all(kBlock).nodes,
            "%i = Conv2D(%x, %w, %c/bias, %x) {padding=\"SAME\", strides=[1, 1, 1, 1]} "
            "epilogue(bias=2, before=Clip(0.0, 6.0), residual=3) name(\"c\")\n");
}

TEST(Pipeline, PassesCanBeSwitchedOffAndSeen) {
  ir::Graph graph = parse_and_infer(kBlock);
  PassOptions options;
  options.disabled = {"fuse_epilogues", "clean_up"};
  std::vector<std::string> seen;
  options.dump = [&](std::string_view pass, const ir::Graph&) { seen.emplace_back(pass); };
  const PassReport report = run_pipeline(graph, options);
  EXPECT_EQ(op_histogram(graph)["Identity"], 1);
  EXPECT_EQ(op_histogram(graph)["Relu6"], 1);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "fuse_epilogues"), 0);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "fold_constants"), 2);
  for (const PassStats& stats : report.passes) {
    EXPECT_EQ(stats.skipped, stats.name == "fuse_epilogues" || stats.name == "clean_up") << stats.name;
  }
}

TEST(Pipeline, ADefectOfAPassIsFoundInThatPass) {
  ir::Graph graph = parse_and_infer(kBlock);
  PassReport report;
  const PassFn broken = [](ir::Graph& g, PassContext&) {
    g.node(0).inputs[0] = g.output(g.node_count() - 1);  // a cycle, and use lists out of step
    return 0;
  };
  try {
    run_pass("broken", broken, graph, {}, report);
    FAIL() << "expected InternalError";
  } catch (const InternalError& error) {
    EXPECT_EQ(std::string(error.what()).rfind("pass 'broken' left a malformed graph:", 0), 0u) << error.what();
  }
}

TEST(Pipeline, TwiceIsOnce) {
  ir::Graph graph = parse_and_infer(kBlock);
  run_pipeline(graph);
  const std::string once = nodes_text(graph);
  run_pipeline(graph);
  EXPECT_EQ(nodes_text(graph), once);
}

}  // namespace
}  // namespace tfengine::passes
