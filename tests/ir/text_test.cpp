// SPDX-License-Identifier: Apache-2.0
// The text form reads back to the same graph, and says where it is wrong.
#include <gtest/gtest.h>

#include "ir/parser.h"
#include "ir/printer.h"
#include "tfengine/error.h"

namespace tfengine::ir {
namespace {

constexpr const char* kEverything =
    R"(graph @everything(%x: f32[?,8,8,3], %"odd name": s32[...] range(max_abs=6.0, custom)) {
  %w = const f32[1,1,3,2] [1.0, -2.5, 0.1, 1e-30, inf, 3.4028235e+38]
  %b = const f32[2] ones
  %c = Conv2D(%x, %w, %b, %x) {dilations=[1, 1, 1, 1], explicit_paddings=ints[], padding="SAME", strides=[1, 1, 1, 1]} epilogue(bias=2, before=Relu, residual=3, after=Clip(0.0, 6.0)) -> f32[?,8,8,2]
  %axis = const s32[] [3]
  %s, %s:1 = Split(%axis, %c) {num_split=2} -> f32[?,8,8,1] range(max_abs=2.5, calibrated, "entropy"), ?
  %q = QuantizeV2(%s) denylisted name("quantize me") -> u8[?,8,8,1] quant(scale=0.1, zero_point=7)
  %k = const s8[2,2] [1, -128, 127, 0] quant(scales=[0.5, 0.25], axis=1)
  %h = const f16[3] [1.0, -0.5, 65504.0]
  %g = const bf16[2] [1.0, 0.00390625]
  %e = const s64[0] zeros
  %t = const bool[3] [true, false, true]
  %m = Many(%k, %h, %g, %e, %t, %"odd name", %q) {a=true, b=-3, c=0.5, d="a \"quote\" \\ \x0a", e=f32, f=shape[?,3], g=shape[...], h=[1.0, 2.5], i=["x", "y"], j=[shape[1], shape[...]], k=[f32, s8], l=tensor f32[2] [1.0, 2.0], m=floats[], n=strings[], o=shapes[], p=dtypes[], q=?}
  Consume(%m) name("no outputs")
  return %m as "Identity", %s:1, %b
}
)";

TEST(IrText, ReadsBackWhatItPrints) {
  const Graph graph = parse(kEverything);
  EXPECT_EQ(print(graph), kEverything);
  EXPECT_EQ(print(parse(print(graph))), print(graph));
  EXPECT_EQ(print(graph.compacted()), print(graph));
}

TEST(IrText, RegionsHaveNamesOfTheirOwn) {
  constexpr const char* kNested = R"(graph @outer(%x: f32[?], %p: bool[]) {
  %w = const f32[] [2.0]
  %y = If(%p, %x, %w) -> f32[?]
    graph @then(%a: f32[?], %b: f32[]) {
      %c = const f32[] [1.0]
      %d = Add(%a, %c) -> f32[?]
      return %d as "result"
    }
    graph @else(%e: f32[?], %f: f32[]) {
      %g = If(%e, %f)
        graph @then(%h: f32[]) {
          return %h
        }
        graph @else(%i: f32[]) {
          %j = Neg(%i)
          return %j
        }
      return %g
    }
  return %y
}
)";
  const Graph graph = parse(kNested);
  EXPECT_EQ(print(graph), kNested);
  EXPECT_EQ(print(graph.compacted()), kNested);
  int graphs = 0;
  for_each_graph(graph, [&](const Graph&) { ++graphs; });
  EXPECT_EQ(graphs, 5);
  // A region sees what it is passed.
  EXPECT_THROW(parse("graph @g(%x: f32[]) { %y = If(%x) graph @then() { return %x } return %y }"), InvalidModel);
}

TEST(IrText, KeepsWhatTheTextSays) {
  const Graph graph = parse(kEverything);
  const Node& conv = graph.node(graph.value(graph.find_value("c")).producer);
  EXPECT_EQ(conv.epilogue.bias, 2);
  EXPECT_EQ(conv.epilogue.residual, 3);
  EXPECT_EQ(conv.epilogue.before_add, (Act{ActKind::Relu}));
  EXPECT_EQ(conv.epilogue.after_add, (Act{ActKind::Clip, 0.0f, 6.0f}));
  EXPECT_EQ(conv.attr<std::vector<int64_t>>("strides"), (std::vector<int64_t>{1, 1, 1, 1}));
  EXPECT_EQ(graph.value(graph.find_value("h")).constant.as<uint16_t>()[2], 0x7bff);
  const Node& many = graph.node(graph.value(graph.find_value("m")).producer);
  EXPECT_EQ(many.attr<std::string>("d"), "a \"quote\" \\ \n");
  EXPECT_EQ(many.attr<Tensor>("l").as<float>()[1], 2.0f);
  EXPECT_EQ(many.attr<float>("c"), 0.5f);
  EXPECT_EQ(graph.outputs[0].name, "Identity");
  EXPECT_TRUE(graph.node(graph.value(graph.find_value("q")).producer).denylisted);
}

TEST(IrText, DumpsShortenLargeConstants) {
  const Graph graph = parse("graph @g() { %w = const f32[100] uniform(7, -1.0, 1.0) return %w }");
  const std::string dump = print(graph, PrintMode::Dump);
  EXPECT_NE(dump.find("abbreviated(hash="), std::string::npos) << dump;
  EXPECT_LT(dump.size(), 200u);
  EXPECT_EQ(print(parse(print(graph))), print(graph));
}

TEST(IrText, UniformDependsOnSeedAndIndexOnly) {
  const Graph a = parse("graph @g() { %w = const f32[100] uniform(7, -1.0, 1.0) return %w }");
  const Graph b = parse("graph @g() { %w = const f32[50] uniform(7, -1.0, 1.0) return %w }");
  const float* wide = a.value(0).constant.as<float>();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(wide[i], b.value(0).constant.as<float>()[i]);
  EXPECT_EQ(std::count_if(wide, wide + 100, [](float v) { return v < -1 || v >= 1; }), 0);
  const Graph c = parse("graph @g() { %w = const s8[9000] uniform(1, -128, 127) return %w }");
  const int8_t* ints = c.value(0).constant.as<int8_t>();
  EXPECT_EQ(*std::min_element(ints, ints + 9000), -128);
  EXPECT_EQ(*std::max_element(ints, ints + 9000), 127);
}

struct BadText {
  const char* text;
  const char* message;
};

TEST(IrText, SaysWhereItIsWrong) {
  const BadText cases[] = {
      {"", "text graph, line 1, column 1: got the end, expected \"graph\""},
      {"graph @g(%x f32) {", "text graph, line 1, column 13: got \"f32\", expected \":\""},
      {"graph @g(%x: f33[2]) {", "text graph, line 1, column 14: got \"f33\", expected a type such as f32"},
      {"graph @g() {\n  %a = Relu(%b)\n}",
       "text graph, line 2, column 13: got \"b\", expected a value that is defined above"},
      {"graph @g() { %a = const f32[2] [1.0] return %a }", "text graph, line 1, column 36: got \"]\", expected \",\""},
      {"graph @g() { %a = const f32[1] [1.0, 2.0] return %a }",
       "text graph, line 1, column 36: got \",\", expected ']' after 1 elements"},
      {"graph @g() { %a = const u8[1] [256] return %a }",
       "text graph, line 1, column 35: got \"]\", expected a number that fits u8 before this"},
      {"graph @g(%x: f32[2]) { %x = Relu(%x) return %x }", "text graph, line 1: %x is defined twice"},
      {"graph @g() { %a = const f32[99] abbreviated(",
       "text graph, line 1, column 33: got \"abbreviated\", expected all "
       "elements: this text is a dump, which leaves large constants out"},
      {"graph @g() { %a = const f32[?] zeros",
       "text graph, line 1, column 32: got \"zeros\", expected a known type and "
       "shape of a constant before this"},
      {"graph @\"g", "text graph, line 1, column 10: got the end, expected '\"' to close a string"},
      {"graph @g() { ; }",
       "text graph, line 1, column 14: got \";\", expected a name, number, string or one of "
       "(){}[]=,?:"},
  };
  for (const BadText& bad : cases) {
    try {
      parse(bad.text);
      ADD_FAILURE() << "no error for " << bad.text;
    } catch (const InvalidModel& error) {
      EXPECT_STREQ(error.what(), bad.message) << bad.text;
    }
  }
}

}  // namespace
}  // namespace tfengine::ir
