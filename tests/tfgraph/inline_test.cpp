// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/inline.h"

#include <gtest/gtest.h>

#include <set>

#include "support/compare.h"
#include "support/graph_def_builder.h"
#include "support/random.h"
#include "tfgraph/write.h"

namespace tfengine::tfgraph {
namespace {

using testing::GraphDefBuilder;

const std::vector<AttrMessage> kFloat = {{"T", type_attr(1)}};

std::string body_node(const std::string& op, const std::string& name, const std::vector<std::string>& inputs) {
  return node_message(name, op, inputs, "", kFloat);
}

// f(a) = tanh(relu(a)), relu(a)
FunctionText function(const std::string& name = "f") {
  FunctionText text;
  text.name = name;
  text.args = {{"a", 1}};
  text.outputs = {{"t", 1}, {"r", 1}};
  text.nodes = {body_node("Relu", "relu", {"a"}), body_node("Tanh", "tanh", {"relu:activations:0"})};
  text.returns = {"tanh:y:0", "relu:activations:0"};
  return text;
}

void call(GraphDefBuilder& graph, const std::string& name, const std::vector<std::string>& inputs,
          const std::string& callee = "f", const std::string& op = "PartitionedCall") {
  graph.node(op, name, inputs, {{"Tin", types_attr({1})}, {"Tout", types_attr({1, 1})}, {"f", function_attr(callee)}});
}

// The outline of the graph after inlining.
std::string inlined(const std::string& bytes, const std::vector<std::string>& outputs,
                    const std::vector<std::string>& kept = {}) {
  const GraphDef graph = read_graph_def(bytes);
  const InlinedGraph result = inline_calls(graph, outputs, kept);
  std::vector<std::string_view> nodes;
  for (const NodeDef& node : result.graph.nodes) nodes.push_back(node.message);
  const std::string written = graph_message(result.graph, nodes, {});
  testing::Random random(1);
  const std::map<std::string, Tensor> inputs = {{"x", testing::random_tensor(random, DType::F32, {3})}};
  const Tensor want = testing::evaluate_graph_def(bytes, inputs, {outputs[0]})[0];
  const Tensor got = testing::evaluate_graph_def(written, inputs, {outputs[0]})[0];
  EXPECT_TRUE(testing::tensors_near(want, got, 0.0));
  std::string text = testing::outline(written);
  for (const std::string& note : result.notes) text += note + "\n";
  return text;
}

GraphDefBuilder two_calls() {
  GraphDefBuilder graph;
  graph.placeholder("x", {3});
  call(graph, "first", {"x"});
  call(graph, "PartitionedCall", {"first:1"});
  graph.node("AddV2", "out", {"PartitionedCall", "first"});
  return graph;
}

TEST(Inline, BodiesStandInThePlaceOfCalls) {
  GraphDefBuilder graph = two_calls();
  graph.add_function(function_message(function()));
  EXPECT_EQ(inlined(graph.bytes(), {"out"}),
            "Placeholder() x\n"
            "Relu(x) first/relu\n"
            "Tanh(first/relu) first/tanh\n"
            "Relu(first/relu) relu\n"
            "Tanh(relu) tanh\n"
            "AddV2(tanh,first/tanh) out\n");
}

TEST(Inline, WithoutCallsNothingChanges) {
  GraphDefBuilder graph;
  graph.node("Relu", "out", {graph.placeholder("x", {3})});
  const std::string bytes = graph.bytes();
  const GraphDef source = read_graph_def(bytes);
  const InlinedGraph result = inline_calls(source, {"out"}, {});
  ASSERT_EQ(result.graph.nodes.size(), 2u);
  EXPECT_EQ(result.graph.nodes[1].message.data(), source.nodes[1].message.data());
}

TEST(Inline, AFetchedCallLeavesItsName) {
  GraphDefBuilder graph;
  graph.placeholder("x", {3});
  call(graph, "StatefulPartitionedCall", {"x"}, "f", "StatefulPartitionedCall");
  graph.add_function(function_message(function()));
  EXPECT_EQ(inlined(graph.bytes(), {"StatefulPartitionedCall:1"}),
            "Placeholder() x\n"
            "Relu(x) relu\n"
            "Tanh(relu) tanh\n"
            "IdentityN(tanh,relu) StatefulPartitionedCall\n");
}

TEST(Inline, NestedCallsAndNamesThatAreTaken) {
  FunctionText outer = function("outer");
  outer.nodes = {node_message("inner", "PartitionedCall", {"a"}, "",
                              {{"Tin", types_attr({1})}, {"Tout", types_attr({1, 1})}, {"f", function_attr("f")}})};
  outer.returns = {"inner:output:0", "inner:output:1"};
  GraphDefBuilder graph;
  graph.placeholder("x", {3});
  call(graph, "PartitionedCall", {"x"}, "outer");
  graph.node("Relu", "inner/relu", {"PartitionedCall:1"});
  graph.add_function(function_message(outer));
  graph.add_function(function_message(function()));
  EXPECT_EQ(inlined(graph.bytes(), {"inner/relu"}),
            "Placeholder() x\n"
            "Relu(x) inner/relu_1\n"
            "Tanh(inner/relu_1) inner/tanh\n"
            "Relu(inner/relu_1) inner/relu\n");
}

TEST(Inline, ControlEdgesOfCallsAndBodies) {
  FunctionText text = function();
  text.nodes = {body_node("Relu", "relu", {"a"}), body_node("Tanh", "tanh", {"relu:activations:0", "^relu"})};
  GraphDefBuilder graph;
  graph.placeholder("x", {3});
  graph.node("Sqrt", "before", {"x"});
  call(graph, "c", {"x", "^before"});
  graph.node("Exp", "after", {"x", "^c"});
  graph.node("AddV2", "out", {"c", "after"});
  graph.add_function(function_message(text));
  EXPECT_EQ(inlined(graph.bytes(), {"out"}),
            "Placeholder() x\n"
            "Sqrt(x) before\n"
            "Relu(x,^before) c/relu\n"
            "Tanh(c/relu,^c/relu) c/tanh\n"
            "Exp(x,^c/relu,^c/tanh) after\n"
            "AddV2(c/tanh,after) out\n");
}

TEST(Inline, MarkedFunctionsStayCalls) {
  FunctionText text = function();
  text.attrs = {{"_noinline", bool_attr(true)}};
  GraphDefBuilder graph = two_calls();
  graph.add_function(function_message(text));
  EXPECT_EQ(inlined(graph.bytes(), {"out"}),
            "Placeholder() x\n"
            "PartitionedCall(x) first\n"
            "PartitionedCall(first:1) PartitionedCall\n"
            "AddV2(PartitionedCall,first) out\n"
            "function 'f', called by 'first', stays a function: it is marked _noinline\n"
            "function 'f', called by 'PartitionedCall', stays a function: it is marked _noinline\n");
}

TEST(Inline, KeptCallsStay) {
  GraphDefBuilder graph = two_calls();
  graph.add_function(function_message(function()));
  EXPECT_EQ(inlined(graph.bytes(), {"out"}, {"first:0"}),
            "Placeholder() x\n"
            "PartitionedCall(x) first\n"
            "Relu(first:1) relu\n"
            "Tanh(relu) tanh\n"
            "AddV2(tanh,first) out\n");
}

TEST(Inline, FunctionsThatNothingCallsAnyMoreGo) {
  GraphDefBuilder graph = two_calls();
  graph.node("While", "loop", {"x"},
             {{"T", types_attr({1})}, {"body", function_attr("g")}, {"cond", function_attr("h")}});
  graph.add_function(function_message(function("f")));
  FunctionText caller = function("g");
  caller.nodes = {node_message("inner", "PartitionedCall", {"a"}, "",
                               {{"Tin", types_attr({1})}, {"Tout", types_attr({1, 1})}, {"f", function_attr("k")}})};
  caller.returns = {"inner:output:0", "inner:output:1"};
  for (const FunctionText& text : {caller, function("h"), function("k"), function("unused")}) {
    graph.add_function(function_message(text));
  }
  call(graph, "third", {"x"}, "k");
  const std::string bytes = graph.bytes();
  const GraphDef source = read_graph_def(bytes);
  const InlinedGraph result = inline_calls(source, {"out", "loop", "third"}, {});
  const std::string written = graph_message(result.graph, {}, {});
  const GraphDef after = read_graph_def(written);
  std::set<std::string_view> names;
  for (const auto& [name, text] : after.functions) names.insert(name);
  // f is gone; k was inlined, too, and is still called from the body of the loop; what was never called is not ours to drop.
  EXPECT_EQ(names, (std::set<std::string_view>{"g", "h", "k", "unused"}));
  EXPECT_EQ(after.functions.at("g").message, source.functions.at("g").message);
}

std::string note_of(FunctionText text) {
  GraphDefBuilder graph;
  graph.placeholder("x", {3});
  call(graph, "c", {"x"});
  graph.add_function(function_message(text));
  const std::string bytes = graph.bytes();
  const GraphDef source = read_graph_def(bytes);
  const InlinedGraph result = inline_calls(source, {"c"}, {});
  EXPECT_EQ(result.graph.nodes.size(), source.nodes.size());
  return result.notes.size() == 1 ? result.notes[0] : "";
}

TEST(Inline, FunctionsThatCannotBeInlined) {
  FunctionText recursive = function();
  recursive.nodes.push_back(node_message("again", "PartitionedCall", {"a"}, "", {{"f", function_attr("f")}}));
  EXPECT_EQ(note_of(recursive), "function 'f', called by 'c', stays a function: it calls 'f': it calls itself");
  FunctionText effect = function();
  effect.nodes.push_back(body_node("Print", "print", {"a"}));
  effect.control_nodes = {"print"};
  EXPECT_EQ(note_of(effect),
            "function 'f', called by 'c', stays a function: its node 'print' of op Print has an effect of its own");
  FunctionText generic = function();
  generic.nodes.push_back(node_message("g", "Relu", {"a"}, "", {{"T", std::string("\x4a\x01T", 3)}}));
  EXPECT_EQ(note_of(generic),
            "function 'f', called by 'c', stays a function: its node 'g' has attributes of the caller");
}

}  // namespace
}  // namespace tfengine::tfgraph
