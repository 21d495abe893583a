// SPDX-License-Identifier: Apache-2.0
// One malformed GraphDef per case, with its exact message.
#include <gtest/gtest.h>

#include "errors/messages.h"
#include "ir/graph.h"
#include "tfgraph/read.h"

namespace tfengine {
namespace {

using namespace testing_errors;

struct Case {
  const char* name;
  std::string file;
  std::string message;  // behind "'<path>': "
};

std::string x() { return placeholder("x"); }
std::string double_call(const std::vector<Function>& functions) {
  return x() + call("y", "f", {"x"}) + library(functions);
}

std::vector<Case> files() {
  return {
      {"text", "node {\n  name: \"x\"\n  op: \"Placeholder\"\n}\n",
       "this is text, expected a binary protocol buffer; a text GraphDef (.pbtxt) is converted with "
       "google.protobuf.text_format and "
       "SerializeToString()"},
      {"hdf5", "\x89HDF\r\n\x1a\n\x01\x02",
       "this is an HDF5 file (Keras .h5); load it in Keras and export a SavedModel: model.export(folder)"},
      {"zip", std::string("PK\x03\x04\x00\x00", 6),
       "this is a zip archive (Keras .keras?); load it in Keras and export a SavedModel: model.export(folder)"},
      {"lite", std::string("\x20\x00\x00\x00TFL3\x00", 9),
       "this is a TensorFlow Lite model; expected the TensorFlow model that it was made from"},
      {"no_nodes", number(3, 5) + number(7, 1), "this is no GraphDef: it has no nodes"},
      {"cut", x().substr(0, x().size() - 1), "the file is cut short or corrupt: a field ends behind its message"},
      {"group", x() + "\x0b", "malformed protocol buffer: unknown pbf field type exception"},
      {"field_zero", x() + std::string(2, '\0'), "malformed protocol buffer: invalid tag exception"},
      {"long_varint", x() + "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
       "malformed protocol buffer: varint too long exception"},
      {"hostile_length", x() + "\x0a\xff\xff\xff\xff\x0f",
       "the file is cut short or corrupt: a field ends behind its message"},
      {"no_name", message(1, message(2, "Relu")), "a node of op 'Relu' has no name"},
      {"no_op", message(1, message(1, "a")), "node 'a' has no op"},
      {"long_name", x() + message(1, message(1, std::string(5000, 'a')) + message(2, "Relu")),
       "a node's name has 5000 bytes, expected at most 4096"},
      {"two_nodes", x() + x() + node("y", "Relu", {"x"}), "two nodes are named 'x'"},
  };
}

std::vector<Case> graphs() {
  return {
      {"missing_input", node("y", "Relu", {"nope:1"}), "the graph uses 'nope:1', which it does not define"},
      {"cycle", node("a", "Relu", {"b"}) + node("b", "Relu", {"a"}) + node("y", "Relu", {"a"}),
       "Relu 'a' is part of a cycle"},
      {"identity_cycle", node("a", "Identity", {"b"}) + node("b", "Identity", {"a"}) + node("y", "Relu", {"a"}),
       "Identity 'a' is part of a cycle"},
      {"only_a_cycle", node("a", "Relu", {"a"}),
       "the graph has no outputs: every node is used by another; name the outputs"},
      {"identity_output", x() + node("a", "Identity", {"x"}) + node("y", "Relu", {"a:1"}),
       "Identity 'a' has 1 inputs; its output 1 is used"},
      {"many_outputs", x() + node("a", "Relu", {"x"}) + node("y", "Relu", {"a:99999"}),
       "output 99999 of Relu 'a' is used, expected at most 65536"},
      {"split_count", x() + node("y", "Split", {"x", "x"}, attr("num_split", number(3, 1'000'000))),
       "Split 'y' has 1000000 outputs, expected 1 to 65536"},
      {"variable", node("v", "VarHandleOp", {}, type_attr("dtype", 1)) + node("y", "ReadVariableOp", {"v"}),
       "variable 'v' has no value: the graph is not frozen and there is no 'variables' folder beside it"},
      {"handle", node("v", "VarHandleOp", {}, type_attr("dtype", 1)) + node("y", "Relu", {"v"}),
       "Relu 'y' uses the variable 'v' other than by reading it; expected a graph for inference"},
      {"nchw_strides",
       x() + node("y", "MaxPool", {"x"},
                  attr("data_format", message(2, "NCHW")) + attr("strides", message(1, number(3, 2)))),
       "node 'y': attribute 'strides' has 1 numbers, expected 4"},
  };
}

std::vector<Case> constants() {
  const auto one = [](const std::string& constant) { return constant + node("y", "Relu", {"c"}); };
  return {
      {"no_value", one(node("c", "Const")), "Const 'c' has no value"},
      {"too_few_bytes", one(constant("c", 1, {2, 2}, message(4, std::string(12, 'a')))),
       "Const 'c': a float32 tensor of shape [2,2] has 12 bytes, expected 16"},
      {"too_many_values", one(constant("c", 3, {1}, message(7, varint(1) + varint(2)))),
       "Const 'c': a tensor of shape [1] lists 2 values, expected at most 1"},
      {"unknown_shape", one(constant("c", 1, {-1}, "")), "Const 'c': a constant has shape [?], expected a known one"},
      {"negative", one(constant("c", 1, {-5}, "")),
       "Const 'c': a shape has dimension -5, expected -1 (unknown) or more"},
      {"huge", one(constant("c", 1, {1'000'000, 1'000'000, 1'000'000, 1'000'000}, "")),
       "Const 'c': a float32 constant of shape [1000000,1000000,1000000,1000000] needs more than 68719476736 bytes"},
      {"huge_splat", one(constant("c", 1, {1'000'000, 1'000}, "")),
       "Const 'c': constants written as one repeated value need 4000000000 bytes, expected at most 1073741824"},
      {"rank", one(constant("c", 1, std::vector<int64_t>(300, 1), "")),
       "Const 'c': a shape has more than 254 dimensions"},
      {"complex", one(constant("c", 18, {}, "")),
       "Const 'c': a constant has type DT_COMPLEX128, which tfengine does not have"},
      {"unknown_type", one(constant("c", 77, {}, "")),
       "Const 'c': a constant has type DataType 77, which tfengine does not have"},
      {"bool", one(constant("c", 10, {2}, message(4, "\x01\x07"))),
       "Const 'c': a bool constant has bytes other than 0 and 1"},
      {"packed", one(constant("c", 1, {2}, message(5, "abcde"))),
       "Const 'c': a packed field has 5 bytes, expected a multiple of 4"},
      {"two_types",
       one(node("c", "Const", {},
                type_attr("dtype", 3) + attr("value", message(8, number(1, 1) + message(2, shape({})))))),
       "Const 'c' is declared DT_INT32 and holds float32"},
      {"attribute", x() + node("y", "Relu", {"x"}, attr("t", message(8, number(1, 1) + message(2, shape({-1}))))),
       "Relu 'y': attribute 't': a constant has shape [?], expected a known one"},
  };
}

std::vector<Case> functions() {
  const auto relu = [](const std::string& input) { return node_def("r", "Relu", {input}); };
  const std::string inner = node_def("c", "PartitionedCall", {"a"}, attr("f", message(10, message(1, "f"))));
  return {
      {"missing", x() + call("y", "f", {"x"}),
       "PartitionedCall 'y' calls function 'f', which the model does not define"},
      {"recursion", double_call({{"f", {"a"}, {{"o", "c:output:0"}}, {inner}}}),
       "function 'f' calls itself (at PartitionedCall 'c' of function 'f'); recursive functions are not supported"},
      {"direct_recursion", double_call({{"f", {"a"}, {{"o", "c:o:0"}}, {node_def("c", "f", {"a"})}}}),
       "function 'f' calls itself (at f 'c' of function 'f'); recursive functions are not supported"},
      {"arguments", double_call({{"f", {"a", "b"}, {{"o", "r:activations:0"}}, {relu("a")}}}),
       "PartitionedCall 'y' passes 1 arguments to function 'f', expected 2"},
      {"undefined", double_call({{"f", {"a"}, {{"o", "r:activations:0"}}, {relu("b")}}}),
       "function 'f' uses 'b', which it does not define"},
      {"return", double_call({{"f", {"a"}, {{"o", "q:o:0"}}, {relu("a")}}}),
       "function 'f' uses 'q:o:0', which it does not define"},
      {"output_name", double_call({{"f", {"a"}, {{"o", "n:sigma:0"}}, {node_def("n", "FusedBatchNormV3", {"a"})}}}),
       "op FusedBatchNormV3 has no output 'sigma'"},
      {"twice", double_call({{"f", {"a"}, {{"o", "a"}}, {}}, {"f", {"a"}, {{"o", "a"}}, {}}}),
       "function 'f' is defined twice"},
      {"no_outputs", x() + call("c", "f", {"x"}) + node("y", "Relu", {"c"}) + library({{"f", {"a"}, {}, {}}}),
       "PartitionedCall 'c' has 0 outputs; its output 0 is used"},
  };
}

void expect_all(const std::vector<Case>& cases) {
  const Folder folder;
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.name);
    const std::filesystem::path path = folder.file(std::string(bad.name) + ".pb", bad.file);
    expect_message<InvalidModel>("'" + path.string() + "': " + bad.message, [&] { tfgraph::read_model(path); });
  }
}

TEST(GraphDefErrors, Files) { expect_all(files()); }
TEST(GraphDefErrors, Graphs) { expect_all(graphs()); }
TEST(GraphDefErrors, Constants) { expect_all(constants()); }
TEST(GraphDefErrors, Functions) { expect_all(functions()); }

// A chain of functions that each call the next twice: 2^40 nodes if all were inlined.
TEST(GraphDefErrors, ExplodingFunctions) {
  std::vector<Function> functions;
  for (int i = 0; i < 40; ++i) {
    const std::string next = "f" + std::to_string(i + 1);
    Function function{"f" + std::to_string(i), {"a"}, {{"o", "add:z:0"}}, {}};
    if (i == 39) {
      function.nodes = {node_def("add", "Relu", {"a"})};
    } else {
      function.nodes = {node_def("one", next, {"a"}), node_def("two", next, {"one:o:0"}),
                        node_def("add", "Relu", {"two:o:0"})};
    }
    // Nodes that nothing uses, so that the limit is reached soon.
    for (int k = 0; k < 1000; ++k) function.nodes.push_back(node_def("n" + std::to_string(k), "NoOp"));
    functions.push_back(function);
  }
  const Folder folder;
  const auto path = folder.file("bomb.pb", x() + call("y", "f0", {"x"}) + library(functions));
  expect_message<InvalidModel>(
      "'" + path.string() + "': the graph has more than 2000000 nodes after inlining its functions",
      [&] { tfgraph::read_model(path); });
}

TEST(GraphDefErrors, DeepFunctions) {
  std::vector<Function> functions;
  for (int i = 0; i < 100; ++i) {
    functions.push_back(
        {"f" + std::to_string(i), {"a"}, {{"o", "c:o:0"}}, {node_def("c", "f" + std::to_string(i + 1), {"a"})}});
  }
  const Folder folder;
  const auto path = folder.file("deep.pb", x() + call("y", "f0", {"x"}) + library(functions));
  expect_message<InvalidModel>(
      "'" + path.string() + "': f64 'c' of function 'f63' is nested in more than 64 function calls",
      [&] { tfgraph::read_model(path); });
}

TEST(GraphDefErrors, LongChainsDoNotExhaustTheStack) {
  std::string file = x();
  std::string last = "x";
  for (int i = 0; i < 60'000; ++i) {
    const std::string name = "n" + std::to_string(i);
    file += node(name, i % 2 == 0 ? "Relu" : "Identity", {last});
    last = name;
  }
  const Folder folder;
  EXPECT_EQ(tfgraph::read_model(folder.file("long.pb", file)).node_count(), 30'000);
}

TEST(GraphDefErrors, UnknownOpsAreKeptAndNoted) {
  const Folder folder;
  tfgraph::ImportReport report;
  const ir::Graph graph = tfgraph::read_model(folder.file("custom.pb", x() + node("y", "MyOp", {"x"})), {}, &report);
  EXPECT_EQ(graph.node(0).op, "MyOp");
  EXPECT_EQ(report.notes,
            std::vector<std::string>{"MyOp 'y': tfengine does not know this op; what needs it cannot run"});
}

TEST(GraphDefErrors, FieldsOfAnotherTypeAreSkippedAsUnknown) {
  const Folder folder;
  // NodeDef.name as a varint, GraphDef.node as a fixed32: protobuf skips such fields, and so must the reader.
  const std::string file =
      x() + message(1, number(1, 7) + node_def("y", "Relu", {"x"})) + std::string("\x0d\x01\x02\x03\x04", 5);
  EXPECT_EQ(tfgraph::read_model(folder.file("types.pb", file)).node_count(), 1);
}

}  // namespace
}  // namespace tfengine
