// SPDX-License-Identifier: Apache-2.0
// Choosing inputs, outputs, signatures and kept nodes by name; messages when a name does not exist.
#include <gtest/gtest.h>

#include "ir/printer.h"
#include "tfengine/error.h"
#include "tfgraph/read.h"

namespace tfengine::tfgraph {
namespace {

const std::filesystem::path kData = std::filesystem::path(TFE_SOURCE_DIR) / "tests/tfgraph/data";

std::vector<std::string> ops_of(const ir::Graph& graph) {
  std::vector<std::string> ops;
  for (const ir::NodeId id : graph.order()) ops.push_back(graph.node(id).op);
  return ops;
}

TEST(Names, AGraphCanBeCutAnywhere) {
  ImportOptions options;
  options.inputs = {"joined:0"};
  options.outputs = {"parts:1"};
  const ir::Graph graph = read_model(kData / "frozen.pb", options);
  EXPECT_EQ(ops_of(graph), std::vector<std::string>{"Split"});
  EXPECT_EQ(graph.value(graph.inputs[0]).name, "joined");
  EXPECT_EQ(graph.outputs[0].name, "parts:1");
}

TEST(Names, AnIdentityCanBeAnInput) {
  ImportOptions options;
  options.inputs = {"a"};
  options.outputs = {"add"};
  const ir::Graph graph = read_model(kData / "frozen.pb", options);
  EXPECT_EQ(ops_of(graph), std::vector<std::string>{"Add"});
}

TEST(Names, APlaceholderWithDefaultCanBeAnInput) {
  ImportOptions options;
  options.inputs = {"x", "rate"};
  const ir::Graph graph = read_model(kData / "frozen.pb", options);
  EXPECT_EQ(graph.inputs.size(), 2u);
  EXPECT_EQ(graph.value(graph.inputs[1]).dtype, DType::F32);
}

TEST(Names, NodesThatReadingLeavesOutAreTold) {
  ImportReport report;
  const ir::Graph graph = read_model(kData / "frozen.pb", {}, &report);
  EXPECT_EQ(report.removed.at("last"), "Identity");
  EXPECT_EQ(report.removed.at("numerics"), "CheckNumerics");
  for (ir::NodeId id = 0; id < graph.node_count(); ++id) EXPECT_EQ(report.removed.count(graph.node(id).name), 0u);
}

TEST(Names, NodesOfFunctionsThatReadingLeavesOutAreTold) {
  ImportReport report;
  read_model(kData / "functions", {}, &report);
  EXPECT_EQ(report.removed.at("StatefulPartitionedCall"), "StatefulPartitionedCall");
  EXPECT_EQ(report.removed.count("Conv2D_1"), 0u);
}

TEST(Names, NodesOfFunctionsAreNamedUnderTheirCalls) {
  const ir::Graph graph = read_model(kData / "functions");
  std::vector<std::string> convolutions;
  for (ir::NodeId id = 0; id < graph.node_count(); ++id) {
    if (graph.node(id).op == "Conv2D") convolutions.push_back(graph.node(id).name);
  }
  EXPECT_EQ(convolutions, (std::vector<std::string>{"Conv2D", "Conv2D_1"}));
}

TEST(Names, AnotherSignature) {
  ImportOptions options;
  options.signature_key = "double";
  const ir::Graph graph = read_model(kData / "functions", options);
  EXPECT_EQ(ir::print(graph),
            "graph @functions(%x: f32[?]) {\n  %mul/y = const f32[] [2.0]\n  %mul = Mul(%x, %mul/y) {T=f32}\n  return "
            "%mul as \"y\"\n}\n");
}

TEST(Names, SignatureKeysAndTensorsCanBeNamed) {
  ImportOptions options;
  options.outputs = {"values", "total"};
  const ir::Graph graph = read_model(kData / "functions", options);
  EXPECT_EQ(graph.outputs[0].name, "values");
  EXPECT_EQ(graph.outputs[1].name, "total");
}

struct Wrong {
  const char* file;
  ImportOptions options;
  const char* message;  // behind "'<path>': "
};

TEST(Names, MessagesSayWhatThereIs) {
  ImportOptions input, output, again, needed, tag, signature;
  input.inputs = {"nope"};
  output.outputs = {"nope:3"};
  again.outputs = {"first", "first:0"};
  needed.inputs = {"rate"};
  tag.tags = {"train", "gpu"};
  signature.signature_key = "predict";
  const Wrong cases[] = {
      {"frozen.pb", input, "input 'nope' is not a tensor of the model"},
      {"frozen.pb", output, "output 'nope:3' is not a tensor of the model"},
      {"frozen.pb", again, "output 'first' is named twice"},
      {"frozen.pb", needed, "placeholder 'x' is needed for the outputs and is not among the inputs"},
      {"functions", tag, "no MetaGraph with tags {gpu, train}, expected one of {serve}"},
      {"functions", signature, "the model has no signature 'predict', expected one of 'double', 'serving_default'"},
  };
  for (const Wrong& wrong : cases) {
    const std::filesystem::path path = kData / wrong.file;
    try {
      read_model(path, wrong.options);
      ADD_FAILURE() << "no error: " << wrong.message;
    } catch (const InvalidArgument& error) {
      EXPECT_EQ(error.what(), "'" + path.string() + "': " + wrong.message);
    }
  }
}

}  // namespace
}  // namespace tfengine::tfgraph
