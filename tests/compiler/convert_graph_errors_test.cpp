// SPDX-License-Identifier: Apache-2.0
// Parameters and graphs that cannot be: each with its message. And damage at random, which must give an error or a result.
#include <gtest/gtest.h>

#include <random>

#include "errors/messages.h"
#include "support/graph_def_builder.h"
#include "tfengine/graph_def.h"

namespace tfengine {
namespace {

using namespace testing_errors;
using testing::GraphDefBuilder;

std::string good_graph() {
  GraphDefBuilder graph;
  graph.conv("b", graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4), 4, 2);
  graph.node("Tanh", "out", {"b"});
  return graph.bytes();
}

TEST(Params, AreChecked) {
  struct Case {
    void (*change)(GraphDefParams&);
    const char* message;
  };
  const Case cases[] = {
      {[](GraphDefParams& p) { p.precision_mode = "INT4"; },
       "precision_mode 'INT4' is not supported, expected FP32, FP16 or INT8"},
      {[](GraphDefParams& p) { p.minimum_segment_size = 0; },
       "minimum_segment_size is 0, expected a positive number, or -1 to leave the main graph as it is"},
      {[](GraphDefParams& p) { p.maximum_cached_engines = 0; }, "maximum_cached_engines is 0, expected at least 1"},
      {[](GraphDefParams& p) { p.max_batch_size = -2; }, "max_batch_size is -2, expected at least 1"},
      {[](GraphDefParams& p) { p.profile_strategy = "Best"; },
       "profile_strategy 'Best' is unknown, expected Range, Optimal, Range+Optimal or ImplicitBatchModeCompatible"},
      {[](GraphDefParams& p) { p.calibrator = "magic"; },
       "calibrator 'magic' is unknown, expected one of auto, entropy, entropy1, legacy, minmax, moving_average, mse, "
       "percentile"},
      {[](GraphDefParams& p) { p.percentile = 0.0; }, "percentile is 0, expected a number above 0 and up to 100"},
      {[](GraphDefParams& p) { p.nodes_denylist = {"nowhere"}; }, "nodes_denylist: the graph has no node 'nowhere'"},
  };
  for (const Case& c : cases) {
    GraphDefParams params;
    c.change(params);
    expect_message<InvalidArgument>(c.message, [&] { convert_graph_def(good_graph(), {"out"}, params); });
  }
  expect_message<InvalidArgument>("output 'nowhere:1' is not a tensor of the graph",
                                  [&] { convert_graph_def(good_graph(), {"nowhere:1"}); });
}

TEST(Params, EitherCaseIsRight) {
  GraphDefParams params;
  params.precision_mode = "fp16";
  params.profile_strategy = "range+optimal";
  EXPECT_EQ(convert_graph_def(good_graph(), {"out"}, params).engines.size(), 1u);
}

struct Malformed {
  const char* name;
  std::string graph;
  const char* message;
};

class MalformedGraphs : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedGraphs, AreErrors) {
  expect_message<InvalidModel>(GetParam().message, [] { convert_graph_def(GetParam().graph, {}); });
}

INSTANTIATE_TEST_SUITE_P(
    Table, MalformedGraphs,
    ::testing::Values(
        Malformed{"Empty", "", "'GraphDef': this is no GraphDef: it has no nodes"},
        Malformed{
            "Text", "node { name: \"x\" op: \"Placeholder\" }",
            "'GraphDef': this is text, expected a binary protocol buffer; a text GraphDef (.pbtxt) is converted with "
            "google.protobuf.text_format and SerializeToString()"},
        Malformed{"CutShort", placeholder("x").substr(0, 9),
                  "'GraphDef': the file is cut short or corrupt: a field ends behind its message"},
        Malformed{"NodeWithoutName", node("", "Relu"), "'GraphDef': a node of op 'Relu' has no name"},
        Malformed{"NodeWithoutOp", node("x", ""), "'GraphDef': node 'x' has no op"},
        Malformed{"TwoOfAName", placeholder("x") + placeholder("x"), "'GraphDef': two nodes are named 'x'"},
        Malformed{"InputThatIsNot", node("r", "Relu", {"x"}),
                  "'GraphDef': Relu 'r' uses 'x', which the graph does not define"},
        Malformed{
            "BadOutputNumber", placeholder("x") + node("r", "Relu", {"x:one"}),
            "'GraphDef': Relu 'r' uses 'x:one', expected a node's name, a colon and an output number below 65536"},
        Malformed{
            "HugeOutputNumber", placeholder("x") + node("r", "Relu", {"x:70000"}),
            "'GraphDef': Relu 'r' uses 'x:70000', expected a node's name, a colon and an output number below 65536"},
        Malformed{"EmptyInput", placeholder("x") + node("r", "Relu", {""}),
                  "'GraphDef': Relu 'r' uses '', which the graph does not define"},
        Malformed{"DataBehindControl", placeholder("x") + node("r", "Relu", {"^x", "x"}),
                  "'GraphDef': Relu 'r' has the input 'x' behind a control input, expected control inputs last"},
        Malformed{"Cycle", node("a", "Relu", {"b"}) + node("b", "Relu", {"a"}) + node("c", "Relu", {"b"}),
                  "'GraphDef': Relu 'a' is part of a cycle, or behind one"},
        Malformed{"ControlCycle", node("a", "Relu", {"^b"}) + node("b", "Relu", {"^a"}) + node("c", "Relu", {"b"}),
                  "'GraphDef': Relu 'a' is part of a cycle, or behind one"},
        Malformed{"ConstWithoutValue", node("c", "Const", {}, type_attr("dtype", 1)) + node("r", "Relu", {"c"}),
                  "'GraphDef': Const 'c' has no value"},
        Malformed{"ConstOfTheWrongSize", constant("c", 1, {3}, message(4, "12345678")) + node("r", "Relu", {"c"}),
                  "'GraphDef': Const 'c': a float32 tensor of shape [3] has 8 bytes, expected 12"},
        Malformed{"FunctionThatIsNot", placeholder("x") + call("c", "f", {"x"}),
                  "'GraphDef': PartitionedCall 'c' calls function 'f', which the model does not define"},
        Malformed{"TooManyArguments",
                  placeholder("x") + call("c", "f", {"x", "x"}) +
                      library({{"f", {"a"}, {{"y", "r:activations:0"}}, {node_def("r", "Relu", {"a"})}}}),
                  "'GraphDef': PartitionedCall 'c' passes 2 arguments to function 'f', expected 1"},
        Malformed{"FunctionUsesNothing",
                  placeholder("x") + call("c", "f", {"x"}) +
                      library({{"f", {"a"}, {{"y", "r:activations:0"}}, {node_def("r", "Relu", {"b:z:0"})}}}),
                  "'GraphDef': function 'f' uses 'b:z:0', which it does not define"}),
    [](const auto& info) { return info.param.name; });

// True if conversion succeeded.
bool survives(const std::string& graph) {
  try {
    GraphDefParams params;
    params.minimum_segment_size = 1;
    const std::string converted = convert_graph_def(graph, {"out"}, params).graph_def;
    tfgraph::read_graph_def(converted);
    return true;
  } catch (const InternalError& error) {
    ADD_FAILURE() << "a defect of tfengine's own: " << error.what();
  } catch (const Error& error) {
    EXPECT_STRNE(error.what(), "");
  } catch (const std::exception& error) {
    ADD_FAILURE() << "an exception of another family: " << error.what();
  }
  return false;
}

std::mt19937 seeded(uint32_t seed) { return std::mt19937(seed); }

std::string graph_of_all_kinds() {
  GraphDefBuilder graph;
  graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4, "NCHW");
  graph.node("Split", "s", {graph.scalar("axis", 3), "a"},
             {{"T", tfgraph::type_attr(1)}, {"num_split", tfgraph::int_attr(2)}});
  graph.node(
      "PartitionedCall", "call", {"s:1", "^a"},
      {{"Tin", tfgraph::types_attr({1})}, {"Tout", tfgraph::types_attr({1})}, {"f", tfgraph::function_attr("f")}});
  graph.node("Mystery", "m", {"s"});
  graph.node("AddV2", "out", {"call", "m", "^s"});
  tfgraph::FunctionText function;
  function.name = "f";
  function.args = {{"arg", 1}};
  function.outputs = {{"out", 1}};
  function.nodes = {tfgraph::node_message("r", "Relu", {"arg"}, "", {{"T", tfgraph::type_attr(1)}}),
                    tfgraph::node_message("t", "Tanh", {"r:activations:0", "^r"}, "", {{"T", tfgraph::type_attr(1)}})};
  function.returns = {"t:y:0"};
  function.control_nodes = {"r"};
  graph.add_function(tfgraph::function_message(function));
  return graph.bytes();
}

TEST(Damage, CutAnywhere) {
  const std::string good = graph_of_all_kinds();
  ASSERT_TRUE(survives(good));
  for (size_t length = 0; length < good.size(); ++length) survives(good.substr(0, length));
}

TEST(Damage, FlippedBits) {
  constexpr uint32_t kSeed = 20;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const std::string good = graph_of_all_kinds();
  std::mt19937 random = seeded(kSeed);
  for (int i = 0; i < 1500; ++i) {
    std::string bad = good;
    for (uint32_t flips = 1 + random() % 4; flips > 0; --flips)
      bad[random() % bad.size()] ^= static_cast<char>(1 << (random() % 8));
    survives(bad);
    if (::testing::Test::HasFailure()) FAIL() << "flip " << i;
  }
}

}  // namespace
}  // namespace tfengine
