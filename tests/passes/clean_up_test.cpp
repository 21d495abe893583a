// SPDX-License-Identifier: Apache-2.0
#include "passes/clean_up.h"

#include "passes/support.h"

namespace tfengine::passes {
namespace {

const NamedPass kPass = {"clean_up", clean_up};

TEST(CleanUp, PassThroughNodesGo) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[2,3]) {
    %i = Identity(%x)
    %s = StopGradient(%i)
    %r = Relu(%s)
    %n, %n:1 = IdentityN(%r, %s)
    %t = Tanh(%n)
    %u = Add(%t, %n:1)
    return %u
  })",
                                   {kPass});
  EXPECT_EQ(result.nodes, "%r = Relu(%x)\n%t = Tanh(%r)\n%u = Add(%t, %x)\n");
}

TEST(CleanUp, AGraphOutputKeepsItsTensor) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[2,3]) {
    %r = Relu(%x)
    %t = Tanh(%r)
    %out = Identity(%r)
    return %out as "Identity", %t
  })",
                                   {kPass});
  EXPECT_EQ(result.nodes, "%out = Relu(%x) name(\"r\")\n%t = Tanh(%out)\n");
}

TEST(CleanUp, AnInputThatIsAnOutputIsStillCopied) {
  const Rewritten result = rewrite("graph @g(%x: f32[2]) { %out = Identity(%x) return %out }", {kPass});
  EXPECT_EQ(result.nodes, "%out = Identity(%x)\n");
}

TEST(CleanUp, DenylistedNodesStay) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[2,3]) {
    %i = Identity(%x) denylisted
    %r = Relu(%i)
    return %r
  })",
                                   {kPass});
  EXPECT_EQ(result.rewrites, 0);
}

TEST(CleanUp, AnIdentitysRangeMovesToTheTensor) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[2,3]) {
    %r = Relu(%x)
    %i = Identity(%r) -> f32[2,3] range(max_abs=3.0, custom, "q")
    %t = Tanh(%i)
    return %t
  })",
                                   {kPass});
  const ir::Value& r = result.graph.value(result.graph.find_value("r"));
  ASSERT_TRUE(r.range.has_value());
  EXPECT_EQ(r.range->max_abs, 3.0f);
  EXPECT_TRUE(result.notes.empty());
}

}  // namespace
}  // namespace tfengine::passes
