// SPDX-License-Identifier: Apache-2.0
// Engines that are built while a graph is converted, and calibrated with batches for its inputs.
#include <gtest/gtest.h>

#include <cstring>
#include "errors/messages.h"
#include "quantize/calibration_cache.h"
#include "support/compare.h"
#include "support/graph_def_builder.h"
#include "support/random.h"

#include "tfengine/calibrate.h"
#include "tfengine/convert.h"
#include "tfengine/engine.h"
#include "tfengine/graph_def.h"

namespace tfengine {
namespace {

using namespace testing;
using testing_errors::expect_message;

// `count` batches of two images.
class Images : public BatchSource {
 public:
  explicit Images(int count, std::string name = "x") : count_(count), name_(std::move(name)) {}
  bool next(Batch& batch) override {
    if (done_ == count_) return false;
    Random random(static_cast<uint64_t>(++done_));
    batch = {{name_, random_tensor(random, DType::F32, {2, 6, 6, 3})}};
    return true;
  }
  void rewind() override { done_ = 0; }

 private:
  int count_;
  int done_ = 0;
  std::string name_;
};

GraphDefParams params(const std::string& precision, bool is_dynamic_op) {
  GraphDefParams params;
  params.graph_number = 0;
  params.precision_mode = precision;
  params.is_dynamic_op = is_dynamic_op;
  params.op_denylist = {"Tanh"};
  return params;
}

std::string two_segments(int64_t batch = -1) {
  GraphDefBuilder graph;
  graph.conv("b", graph.conv("a", graph.placeholder("x", {batch, 6, 6, 3}), 3, 4), 4, 4);
  graph.node("Tanh", "hole", {"b"});
  graph.conv("out", "hole", 4, 2);
  return graph.bytes();
}

std::string attribute(const std::string& graph_def, size_t engine, const char* name) {
  const tfgraph::GraphDef graph = tfgraph::read_graph_def(graph_def);
  for (const tfgraph::NodeDef& node : graph.nodes) {
    if (node.op == "TRTEngineOp" && engine-- == 0) return std::string(tfgraph::attr_string(node, name));
  }
  ADD_FAILURE() << "no such engine";
  return {};
}

Engine built_engine(const std::string& graph_def, size_t engine) {
  const auto bytes = std::make_shared<std::string>(attribute(graph_def, engine, "serialized_segment"));
  // Constants are used in place, at the alignment of a mapped file.
  void* place = std::aligned_alloc(64, (bytes->size() + 63) / 64 * 64);
  std::memcpy(place, bytes->data(), bytes->size());
  std::shared_ptr<const void> owner(place, [](const void* p) { std::free(const_cast<void*>(p)); });
  return Engine::from_bytes({static_cast<const char*>(place), bytes->size()}, owner);
}

TEST(StaticEngines, AreInTheGraphAndComputeTheirSegments) {
  GraphDefParams p = params("FP32", false);
  p.max_batch_size = 2;
  const GraphDefConversion result = convert_graph_def(two_segments(), {"out"}, p);
  ASSERT_EQ(result.engines.size(), 2u);
  EXPECT_TRUE(result.engines[0].built);
  const Engine first = built_engine(result.graph_def, 0);
  ASSERT_EQ(first.inputs().size(), 1u);
  EXPECT_EQ(first.inputs()[0].name, "TensorRTInputPH_0");
  EXPECT_EQ(first.outputs()[0].name, "TensorRTOutputPH_0");
  Images images(1);
  Batch batch;
  images.next(batch);
  const Tensor got = first.run({{"", batch[0].tensor}})[0].tensor;
  const Tensor want = evaluate_graph_def(two_segments(), {{"x", batch[0].tensor}}, {"b"})[0];
  EXPECT_TRUE(tensors_near(want, got, 1e-5));
}

TEST(StaticEngines, InFp16AreBfloat16WhereTheCpuHasIt) {
  const GraphDefConversion result = convert_graph_def(two_segments(2), {"out"}, params("FP16", false));
  const Engine first = built_engine(result.graph_def, 0);
  EXPECT_EQ(first.precision(), precision_available("bf16") ? "bf16" : "fp32");
  Images images(1);
  Batch batch;
  images.next(batch);
  const Tensor got = first.run({{"", batch[0].tensor}})[0].tensor;
  const Tensor want = evaluate_graph_def(two_segments(2), {{"x", batch[0].tensor}}, {"b"})[0];
  EXPECT_TRUE(tensors_near(want, got, 0.03));
}

TEST(StaticEngines, NeedShapes) {
  GraphDefBuilder graph;
  graph.conv("a", graph.placeholder("x", {-1, -1, -1, 3}), 3, 4);
  const GraphDefConversion result = convert_graph_def(graph.bytes(), {"a"}, params("FP32", false));
  EXPECT_FALSE(result.engines[0].built);
  EXPECT_NE(
      result.report_json.find("TRTEngineOp_000_000 is built when it runs: the shapes of its inputs are not known now"),
      std::string::npos);
}

TEST(StaticEngines, InInt8NeedRanges) {
  const GraphDefConversion calibrated = convert_graph_def(two_segments(), {"out"}, params("INT8", false));
  EXPECT_FALSE(calibrated.engines[0].built);
  EXPECT_NE(calibrated.report_json.find("INT8 engines are calibrated when they run: they are not built now"),
            std::string::npos);
  GraphDefParams p = params("INT8", false);
  p.use_calibration = false;
  const GraphDefConversion without = convert_graph_def(two_segments(), {"out"}, p);
  EXPECT_TRUE(without.engines[0].built);
  EXPECT_NE(without.report_json.find("TRTEngineOp_000_000: INT8 is asked for, and there are neither calibration data "
                                     "nor quantization nodes: the engine computes in float"),
            std::string::npos);
}

TEST(StaticEngines, TakeTheGraphsOwnRanges) {
  GraphDefBuilder graph;
  graph.placeholder("x", {2, 6, 6, 3});
  const auto quantized = [&](const std::string& name, const std::string& input) {
    return graph.node(
        "FakeQuantWithMinMaxArgs", name, {input},
        {{"min", std::string("\x25\x00\x00\x80\xc0", 5)}, {"max", std::string("\x25\x00\x00\x80\x40", 5)}});
  };
  graph.conv("a", quantized("q0", "x"), 3, 4);
  graph.conv("b", quantized("q1", "a"), 4, 4);
  GraphDefParams p = params("INT8", false);
  p.use_calibration = false;
  const GraphDefConversion result = convert_graph_def(graph.bytes(), {"b"}, p);
  ASSERT_EQ(result.engines.size(), 1u);
  EXPECT_EQ(built_engine(result.graph_def, 0).precision(), "int8");
}

TEST(StaticEngines, NameTheTensorsThatLackARange) {
  GraphDefBuilder graph;
  graph.placeholder("x", {2, 6, 6, 3});
  graph.node("FakeQuantWithMinMaxArgs", "q0", {"x"},
             {{"min", std::string("\x25\x00\x00\x80\xc0", 5)}, {"max", std::string("\x25\x00\x00\x80\x40", 5)}});
  graph.conv("a", "q0", 3, 4);
  graph.conv("b", "a", 4, 4);
  GraphDefParams p = params("INT8", false);
  p.use_calibration = false;
  const GraphDefConversion result = convert_graph_def(graph.bytes(), {"b"}, p);
  EXPECT_NE(result.report_json.find("1 tensor has no INT8 range, and what reads it stays in float: 'a'; give ranges by "
                                    "quantization nodes, or calibrate"),
            std::string::npos)
      << result.report_json;
}

TEST(ConvertAndBuild, CalibratesEverySegmentWithWhatFlowsIntoIt) {
  Images images(4);
  const GraphDefConversion result = convert_and_build(two_segments(), {"x"}, {"out"}, images, params("INT8", false));
  ASSERT_EQ(result.engines.size(), 2u);
  const std::string table = attribute(result.graph_def, 0, "calibration_data");
  EXPECT_EQ(table.substr(0, 4), "TRT-");
  // The first segment begins at the graph's input: the same as calibrating the part in front of the hole.
  LoadOptions load;
  load.outputs = {"b"};
  const std::string graph = two_segments();
  const Model model = Model::from_graph_def(graph, nullptr, load);
  images.rewind();
  const std::string whole = calibrate(model, images).table("entropy");
  const auto ranges = quantize::parse_calibration_cache(table, "table").table;
  const auto expected = quantize::parse_calibration_cache(whole, "table").table;
  for (const auto& [name, entry] : expected.entries()) {
    const std::string ours = name == "x" ? "TensorRTInputPH_0" : name == "b" ? "b" : name;
    const auto found = ranges.entries().find(ours);
    ASSERT_NE(found, ranges.entries().end()) << ours << " is not in\n" << table;
    EXPECT_FLOAT_EQ(found->second.max_abs, entry.max_abs) << name;
  }
  EXPECT_FALSE(attribute(result.graph_def, 1, "calibration_data").empty());
  EXPECT_EQ(built_engine(result.graph_def, 0).precision(), "int8");
  EXPECT_EQ(built_engine(result.graph_def, 1).precision(), "int8");
}

TEST(ConvertAndBuild, DynamicEnginesGetTheTableAlone) {
  Images images(2, "");
  const GraphDefConversion result = convert_and_build(two_segments(), {"x:0"}, {"out"}, images, params("INT8", true));
  EXPECT_FALSE(result.engines[0].built);
  EXPECT_FALSE(attribute(result.graph_def, 0, "calibration_data").empty());
}

TEST(ConvertAndBuild, FloatEnginesAreBuiltForTheFirstBatch) {
  Images images(3);
  const GraphDefConversion result = convert_and_build(two_segments(), {"x"}, {"out"}, images, params("FP32", false));
  const Engine second = built_engine(result.graph_def, 1);
  EXPECT_TRUE(second.planned({{2, 6, 6, 4}}));
  EXPECT_TRUE(attribute(result.graph_def, 0, "calibration_data").empty());
}

TEST(ConvertAndBuild, Errors) {
  const GraphDefParams p = params("INT8", false);
  Images none(0), images(1), misnamed(1, "y");
  expect_message<InvalidArgument>("convert_and_build: got no inputs, expected the placeholders' names",
                                  [&] { convert_and_build(two_segments(), {}, {"out"}, images, p); });
  expect_message<InvalidArgument>("the data holds no batch",
                                  [&] { convert_and_build(two_segments(), {"x"}, {"out"}, none, p); });
  expect_message<InvalidArgument>("input 'z' is not a node of the graph",
                                  [&] { convert_and_build(two_segments(), {"z"}, {"out"}, images, p); });
  expect_message<InvalidArgument>("a batch has no tensor for input 'x'",
                                  [&] { convert_and_build(two_segments(), {"x"}, {"out"}, misnamed, p); });
  GraphDefBuilder graph;
  graph.node("Mystery", "m", {graph.placeholder("x", {-1, 6, 6, 3})});
  graph.conv("a", "m", 3, 4);
  expect_message<InvalidModel>(
      "'GraphDef': engines are calibrated and built from batches by running all nodes in front of them, and that "
      "fails: the "
      "graph holds 1 op that tfengine does not know:\n  Mystery (1 node): 'm'\nExport the model for inference without "
      "them, name outputs in front of them, or add the op (docs/adding_an_op.md); such graphs are calibrated in "
      "TensorFlow",
      [&] { convert_and_build(graph.bytes(), {"x"}, {"a"}, images, p); });
}

}  // namespace
}  // namespace tfengine
