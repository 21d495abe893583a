// SPDX-License-Identifier: Apache-2.0
// One broken graph per rule, with the exact defect that the verifier names.
#include "ir/verifier.h"

#include <gtest/gtest.h>

#include <functional>

#include "ir/parser.h"
#include "tfengine/error.h"

namespace tfengine::ir {
namespace {

constexpr const char* kGood = R"(graph @g(%x: f32[2,3]) {
  %b = const f32[3] ones
  %r = Relu(%x) -> f32[2,3]
  %s = BiasAdd(%r, %b) -> f32[2,3]
  %q = QuantizeV2(%s) -> s8[2,3]
  return %s, %q
})";

struct Breakage {
  const char* message;
  std::function<void(Graph&)> apply;
};

Value& named(Graph& graph, const char* name) { return graph.value(graph.find_value(name)); }

TEST(Verifier, NamesTheDefect) {
  const Breakage cases[] = {
      {"'r' lists users [], expected [1]", [](Graph& g) { named(g, "r").users.clear(); }},
      {"'x' lists users [0, 2], expected [0]", [](Graph& g) { named(g, "x").users.push_back(2); }},
      {"BiasAdd 's' uses 'r' of the removed Relu 'r'", [](Graph& g) { g.node(0).alive = false; }},
      {"output 0 of Relu 'r' is 'r', which says it is output 0 of node 1",
       [](Graph& g) { named(g, "r").producer = 1; }},
      {"BiasAdd 's' uses 'loose', which nothing defines",
       [](Graph& g) { g.set_input(1, 1, g.add_value("loose", DType::F32, {3})); }},
      {"BiasAdd 's' uses value 99 of 5", [](Graph& g) { g.node(1).inputs[1] = 99; }},
      {"BiasAdd 's': epilogue bias is input 2, expected 1..1", [](Graph& g) { g.node(1).epilogue.bias = 2; }},
      {"BiasAdd 's': epilogue residual is input 0, expected 1..1", [](Graph& g) { g.node(1).epilogue.residual = 0; }},
      {"BiasAdd 's': epilogue bias and residual are both input 1",
       [](Graph& g) { g.node(1).epilogue.bias = g.node(1).epilogue.residual = 1; }},
      {"'s' is float32 and quantized, expected int8, uint8 or int32",
       [](Graph& g) {
         named(g, "s").quant = {{0.1f}, -1};
       }},
      {"'q' has scale 0, expected a finite number above 0",
       [](Graph& g) {
         named(g, "q").quant = {{0.0f}, -1};
       }},
      {"'q' has 2 scales and no axis, expected 1",
       [](Graph& g) {
         named(g, "q").quant = {{1.0f, 1.0f}, -1};
       }},
      {"'q' of shape [2,3] has 2 scales along axis 1, expected 3",
       [](Graph& g) {
         named(g, "q").quant = {{1.0f, 1.0f}, 1};
       }},
      {"'q' is int8 with zero point 3, expected 0, or uint8 with one scale and a zero point up to 255",
       [](Graph& g) {
         named(g, "q").quant = {{1.0f}, -1, 3};
       }},
      {"'q' of shape [2,3] is quantized along axis 2",
       [](Graph& g) {
         named(g, "q").quant = {{1.0f}, 2};
       }},
      {"'s' has range max_abs -1, expected a finite number from 0",
       [](Graph& g) {
         named(g, "s").range = Range{-1.0f, RangeSource::Rule, ""};
       }},
      {"constant 'b' is float32 [3], its value says float32 [4]", [](Graph& g) { named(g, "b").shape = {4}; }},
      {"output 0 of Relu 'r' and output 0 of BiasAdd 's' are both named 'r', expected unique names",
       [](Graph& g) { named(g, "s").name = "r"; }},
      {"two graph outputs are named 's'", [](Graph& g) { g.outputs[1].name = "s"; }},
      {"'x' is a graph input twice", [](Graph& g) { g.inputs.push_back(g.inputs[0]); }},
      {"graph input 'r' has a producer", [](Graph& g) { g.inputs.push_back(g.find_value("r")); }},
      {"node 'r' has no op", [](Graph& g) { g.node(0).op.clear(); }},
      {"Relu 'r' is part of or behind a cycle; expected an acyclic graph",
       [](Graph& g) { g.set_input(0, 0, g.find_value("s")); }},
  };
  EXPECT_NO_THROW(verify(parse(kGood)));
  for (const Breakage& breakage : cases) {
    Graph graph = parse(kGood);
    breakage.apply(graph);
    try {
      verify(graph);
      ADD_FAILURE() << "not found: " << breakage.message;
    } catch (const InternalError& error) {
      EXPECT_EQ(error.what(), std::string("graph verifier: ") + breakage.message);
    }
  }
}

TEST(Verifier, LooksIntoRegions) {
  const Graph good = parse(R"(graph @g(%x: f32[2], %p: bool[]) {
  %y = If(%p, %x)
    graph @then(%a: f32[2]) { %b = Neg(%a) return %b }
    graph @else(%c: f32[2]) { return %c }
  return %y
})");
  Graph broken = good;
  Graph& region = broken.node(0).regions[0];
  region.value(region.find_value("b")).name = "x";
  try {
    verify(broken);
    ADD_FAILURE() << "nothing was found";
  } catch (const InternalError& error) {
    EXPECT_NE(std::string(error.what()).find("are both named 'x'"), std::string::npos) << error.what();
  }
  broken = good;
  broken.node(0).regions[1].value(0).users.push_back(3);
  EXPECT_THROW(verify(broken), InternalError);
}

}  // namespace
}  // namespace tfengine::ir
