// SPDX-License-Identifier: Apache-2.0
// Attention in the spellings of exporters, and what only looks like it.
#include "passes/fuse_attention.h"

#include <fmt/core.h>

#include "ir/verifier.h"
#include "ops/op.h"
#include "passes/support.h"

namespace tfengine::passes {
namespace {

// Plans make room for tensors by what passes say of their shapes.
void expect_inferred_shapes(const ir::Graph& graph) {
  ir::Graph inferred = graph;
  ops::infer_graph(inferred);
  for (const ir::NodeId id : graph.order()) {
    for (const ir::ValueId out : graph.node(id).outputs) {
      EXPECT_EQ(graph.value(out).shape, inferred.value(out).shape) << graph.value(out).name;
      EXPECT_EQ(graph.value(out).dtype, inferred.value(out).dtype) << graph.value(out).name;
    }
  }
}

// Ops that are left, in order, with blanks between; the results have to stay.
std::string fused(const std::string& text, bool runs = true) {
  const ir::Graph before = parse_and_infer(text);
  ir::Graph after = before;
  fuse_attention(after, [&](const ir::Graph&, const ir::Node& node) { return runs && node.op == "Attention"; });
  ir::verify(after);
  expect_inferred_shapes(after);
  const std::vector<Tensor> inputs = random_inputs(before, 3);
  expect_same_outputs(ops::evaluate_graph(before, inputs), ops::evaluate_graph(after, inputs), 1e-6, text);
  return ops_left(after);
}

// Heads to the front, `scores` from %p to %s, and back; the keys are transposed by the product if `adjoint`.
std::string attention(const std::string& scores, bool adjoint = true, const std::string& inputs = "",
                      const std::string& result = "%y = Transpose(%o, %heads)") {
  return fmt::format(R"(graph @g(%x: f32[2,5,3,4], %k: f32[2,6,3,4], %v: f32[2,6,3,7]{}) {{
    %heads = const s32[4] [0, 2, 1, 3]
    %turned = const s32[4] [0, 2, 3, 1]
    %half = const f32[] [0.5]
    %lowest = const f32[] [-3e38]
    %xt = Transpose(%x, %heads)
    %kt = Transpose(%k, {})
    %vt = Transpose(%v, %heads)
    %p = BatchMatMulV2(%xt, %kt) {{adj_x=false, adj_y={}}}
    {}
    %w = Softmax(%s)
    %o = BatchMatMulV2(%w, %vt) {{adj_x=false, adj_y=false}}
    {}
    return %y
  }})",
                     inputs, adjoint ? "%heads" : "%turned", adjoint ? "true" : "false", scores, result);
}

TEST(FuseAttention, ScaledByProductOrQuotient) {
  for (const bool adjoint : {false, true}) {
    EXPECT_EQ(fused(attention("%s = Mul(%p, %half)", adjoint)), "Attention");
    EXPECT_EQ(fused(attention("%s = RealDiv(%p, %half)", adjoint)), "Attention");
    EXPECT_EQ(fused(attention("%n = Mul(%p, %half) %s = RealDiv(%n, %half)", adjoint)), "Attention");
  }
}

TEST(FuseAttention, WithAMaskThatIsAdded) {
  EXPECT_EQ(fused(attention("%m = Mul(%p, %half) %s = Add(%m, %mask)", true, ", %mask: f32[2,1,1,6]")), "Attention");
  EXPECT_EQ(fused(attention("%m = Mul(%p, %half) %s = Add(%mask, %m)", true, ", %mask: f32[2,3,5,6]")), "Attention");
  EXPECT_EQ(fused(attention("%s = Add(%p, %mask)", true, ", %mask: f32[5,6]")), "Reshape Attention");
}

TEST(FuseAttention, WithAMaskThatChooses) {
  const std::string inputs = ", %n: f32[2,1,1,6]";
  const std::string mask = "%zero = const f32[] [0.0] %c = Greater(%n, %zero) ";
  EXPECT_EQ(fused(attention(mask + "%m = Mul(%p, %half) %s = SelectV2(%c, %m, %lowest)", true, inputs)),
            "Greater SelectV2 Attention");
  EXPECT_EQ(fused(attention(mask + "%t = const bool[] [true] %d = const s32[4] [2, 3, 5, 6] %a = Fill(%d, %t) "
                                   "%b = LogicalAnd(%a, %c) %s = SelectV2(%b, %p, %lowest)",
                            true, inputs)),
            "Greater SelectV2 Attention");
}

// Nodes that are added move the graph's values at one moment or another.
TEST(FuseAttention, WhereverTheGraphGrows) {
  const ir::Graph graph = parse_and_infer(attention(
      "%zero = const f32[] [0.0] %c = Greater(%n, %zero) %s = SelectV2(%c, %p, %lowest)", true, ", %n: f32[5,6]"));
  for (int more = 0; more < 40; ++more) {
    ir::Graph grown = graph;
    for (int i = 0; i < more; ++i) grown.add_value(fmt::format("unused{}", i), DType::F32, Shape{});
    EXPECT_EQ(fuse_attention(grown, [](const ir::Graph&, const ir::Node&) { return true; }), 1);
    expect_inferred_shapes(grown);
  }
}

TEST(FuseAttention, InFrontOfAQuantizedResult) {
  const std::string text = attention(
      "%s = Mul(%p, %half)", true, "",
      "%q = Quantize(%o) -> s8[2,3,5,7] quant(scale=0.01) %z = Transpose(%q, %heads) -> s8[2,5,3,7] quant(scale=0.01) "
      "%y = Dequantize(%z) -> f32[2,5,3,7]");
  EXPECT_EQ(fused(text), "Attention Quantize Dequantize");
}

TEST(FuseAttention, NotWhatComputesSomethingElse) {
  const auto stays = [](const std::string& text) {
    EXPECT_EQ(fused(text).find("Attention"), std::string::npos) << text;
  };
  // The scale is the mask's as well.
  stays(attention("%a = Add(%p, %mask) %s = Mul(%a, %half)", true, ", %mask: f32[2,1,1,6]"));
  // A low value that does not drown scores.
  stays(attention("%zero = const f32[] [0.0] %c = Greater(%n, %zero) %s = SelectV2(%c, %p, %half)", true,
                  ", %n: f32[2,1,1,6]"));
  // Scores that the caller sees, and heads that stay in front.
  stays(attention("%s = Mul(%p, %half)", true, "", "%z = Transpose(%o, %heads) %y = Sum(%s, %heads)"));
  stays(attention("%s = Mul(%p, %half)", true, "", "%y = Relu(%o)"));
  // A factor for each column.
  stays(attention("%s = Mul(%p, %mask)", true, ", %mask: f32[6]"));
}

TEST(FuseAttention, NotWhereTheBackendHasNone) {
  EXPECT_EQ(fused(attention("%s = Mul(%p, %half)"), false).find("Attention"), std::string::npos);
}

TEST(FuseAttention, TheBackendSeesQueriesKeysAndValues) {
  for (const int64_t width : {7, 8}) {
    ir::Graph graph = parse_and_infer(attention("%s = Mul(%p, %half)"));
    const int made = fuse_attention(graph, [&](const ir::Graph& within, const ir::Node& node) {
      return within.input_value(node, 0).shape == Shape{2, 5, 3, 4} && within.input_value(node, 2).shape[3] == width;
    });
    EXPECT_EQ(made, width == 7 ? 1 : 0);
  }
}

TEST(FuseAttention, OneMaskForAllLayers) {
  const std::string text = R"(graph @g(%x: f32[1,4,2,3], %n: f32[1,1,1,4]) {
    %heads = const s32[4] [0, 2, 1, 3]
    %lowest = const f32[] [-3e38]
    %zero = const f32[] [0.0]
    %c = Greater(%n, %zero)
    %t = Transpose(%x, %heads)
    %p = BatchMatMulV2(%t, %t) {adj_x=false, adj_y=true}
    %s = SelectV2(%c, %p, %lowest)
    %w = Softmax(%s)
    %o = BatchMatMulV2(%w, %t) {adj_x=false, adj_y=false}
    %y = Transpose(%o, %heads)
    %t2 = Transpose(%y, %heads)
    %p2 = BatchMatMulV2(%t2, %t2) {adj_x=false, adj_y=true}
    %s2 = SelectV2(%c, %p2, %lowest)
    %w2 = Softmax(%s2)
    %o2 = BatchMatMulV2(%w2, %t2) {adj_x=false, adj_y=false}
    %z = Transpose(%o2, %heads)
    return %z
  })";
  EXPECT_EQ(fused(text), "Greater SelectV2 Attention Attention");
}

}  // namespace
}  // namespace tfengine::passes
