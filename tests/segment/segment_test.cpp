// SPDX-License-Identifier: Apache-2.0
#include "segment/segment.h"

#include <gtest/gtest.h>

#include "ir/parser.h"
#include "tfengine/error.h"

namespace tfengine::segment {
namespace {

std::optional<Refusal> all_but_tanh(const ir::Graph&, const ir::Node& node) {
  if (node.op == "Tanh") return Refusal{"no kernel for Tanh"};
  return std::nullopt;
}

TEST(Segment, RefusedAndDenylistedNodesStayOutside) {
  const ir::Graph graph = ir::parse(R"(graph @g(%x: f32[?,4]) {
    %a = Relu(%x)
    %b = Relu6(%a)
    %c = Tanh(%b)
    %d = Relu(%c) denylisted
    %e = Relu(%d)
    return %e
  })");
  const Segmentation result = segment(graph, all_but_tanh);
  EXPECT_EQ(result.lowered, (std::vector<bool>{true, true, false, false, true}));
  EXPECT_EQ(
      to_text(result.report),
      "3 of 5 nodes run in 2 segments of the backend\n"
      "  Tanh 'c': no kernel for Tanh; nothing has to be done: the reference backend runs it, correctly but slowly\n"
      "  Relu 'd': it is on the list of nodes to keep out of the engine; take it off the nodes denylist to have it "
      "run by the backend\n");
}

TEST(Segment, AWholeGraphIsOneSegment) {
  const ir::Graph graph = ir::parse("graph @g(%x: f32[4]) { %a = Relu(%x) %b = Tanh(%a) return %b }");
  const Segmentation result = segment(graph, [](const ir::Graph&, const ir::Node&) { return std::nullopt; });
  EXPECT_EQ(to_text(result.report), "2 of 2 nodes run in 1 segment of the backend\n");
}

TEST(Segment, UnknownOpsAreListedTogether) {
  std::string text = "graph @g(%x: f32[4]) {\n %a0 = Mystery(%x)\n";
  for (int i = 1; i < 7; ++i) text += " %a" + std::to_string(i) + " = Mystery(%a" + std::to_string(i - 1) + ")\n";
  text += " %b = Enigma(%a6)\n return %b }";
  try {
    segment(ir::parse(text), all_but_tanh);
    FAIL() << "expected InvalidModel";
  } catch (const InvalidModel& error) {
    EXPECT_STREQ(error.what(),
                 "the graph holds 2 ops that tfengine does not know:\n"
                 "  Enigma (1 node): 'b'\n"
                 "  Mystery (7 nodes): 'a0', 'a1', 'a2', 'a3', 'a4' and 2 more\n"
                 "Export the model for inference without them, name outputs in front of them, or add the op "
                 "(docs/adding_an_op.md)");
  }
}

}  // namespace
}  // namespace tfengine::segment
