// SPDX-License-Identifier: Apache-2.0
// What convert_graph_def writes: the graph around the engines, the engine nodes, the native segments, which have to
// compute what the graph did.
#include <gtest/gtest.h>

#include "support/compare.h"
#include "support/graph_def_builder.h"
#include "support/random.h"
#include "tfengine/error.h"
#include "tfengine/graph_def.h"

namespace tfengine {
namespace {

using namespace testing;
using tfgraph::AttrMessage;
using tfgraph::type_attr;

GraphDefParams params(int minimum_segment_size = 3) {
  GraphDefParams params;
  params.graph_number = 7;
  params.minimum_segment_size = minimum_segment_size;
  params.op_denylist = {"Tanh"};  // a hole in the graphs below
  return params;
}

std::map<std::string, Tensor> images(const std::string& name = "x", const Shape& shape = {2, 6, 6, 3}) {
  Random random(3);
  return {{name, random_tensor(random, DType::F32, shape)}};
}

// Converts, and compares what the converted graph computes natively with the graph's own outputs.
GraphDefConversion convert_and_compare(const std::string& graph, const std::vector<std::string>& outputs,
                                       const GraphDefParams& params,
                                       const std::map<std::string, Tensor>& inputs = images()) {
  GraphDefConversion result = convert_graph_def(graph, outputs, params);
  const std::vector<Tensor> want = evaluate_graph_def(graph, inputs, outputs);
  const std::vector<Tensor> got = evaluate_graph_def(with_native_segments(result.graph_def), inputs, outputs);
  for (size_t i = 0; i < want.size(); ++i) EXPECT_TRUE(tensors_near(want[i], got[i], 1e-6)) << outputs[i];
  return result;
}

TEST(ConvertGraph, AChainBecomesOneEngineBetweenInputAndOutput) {
  GraphDefBuilder graph;
  graph.conv("b", graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4), 4, 2);
  graph.node("Identity", "out", {"b"});
  const GraphDefConversion result = convert_and_compare(graph.bytes(), {"out"}, params());
  EXPECT_EQ(outline(result.graph_def),
            "Placeholder() x\n"
            "TRTEngineOp(x) TRTEngineOp_007_000\n"
            "Identity(TRTEngineOp_007_000) out\n");
  ASSERT_EQ(result.engines.size(), 1u);
  EXPECT_EQ(result.engines[0].nodes, 6);
  EXPECT_EQ(result.engines[0].ops, (std::map<std::string, int>{{"BiasAdd", 2}, {"Conv2D", 2}, {"Relu", 2}}));
  EXPECT_EQ(result.engines[0].inputs[0].name, "x");
  EXPECT_EQ(result.engines[0].inputs[0].shape, (Shape{-1, 6, 6, 3}));
  EXPECT_EQ(result.engines[0].outputs[0].name, "b");
  EXPECT_EQ(result.engines[0].outputs[0].shape, (Shape{-1, 6, 6, 2}));
  EXPECT_EQ(result.nodes_total, 8);
  EXPECT_EQ(result.nodes_converted, 6);
}

TEST(ConvertGraph, TheEngineNodeHasTfTrtsAttributes) {
  GraphDefBuilder graph;
  graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4);
  GraphDefParams p = params();
  p.precision_mode = "int8";
  p.max_workspace_size_bytes = 1 << 20;
  p.maximum_cached_engines = 5;
  p.max_batch_size = 16;
  p.use_dynamic_shape = true;
  p.profile_strategy = "Optimal";
  p.allow_build_at_runtime = false;
  p.calibrator = "mse";
  const std::string bytes = convert_graph_def(graph.bytes(), {"a"}, p).graph_def;
  const tfgraph::GraphDef converted = tfgraph::read_graph_def(bytes);
  const tfgraph::NodeDef& engine = converted.nodes[1];
  ASSERT_EQ(engine.op, "TRTEngineOp");
  using namespace tfgraph;
  EXPECT_EQ(attr_types(engine, "InT"), std::vector<uint64_t>{1});
  EXPECT_EQ(attr_types(engine, "OutT"), std::vector<uint64_t>{1});
  EXPECT_EQ(attr_shapes(engine, "input_shapes"), (std::vector<Shape>{{-1, 6, 6, 3}}));
  EXPECT_EQ(attr_shapes(engine, "output_shapes"), (std::vector<Shape>{{-1, 6, 6, 4}}));
  EXPECT_EQ(attr_function(engine, "segment_func"), "TRTEngineOp_007_000_native_segment");
  EXPECT_EQ(attr_string(engine, "precision_mode"), "INT8");
  EXPECT_EQ(attr_string(engine, "profile_strategy"), "Optimal");
  EXPECT_EQ(attr_string(engine, "_tfengine_calibrator"), "mse");
  EXPECT_EQ(attr_int(engine, "workspace_size_bytes", 0), 1 << 20);
  EXPECT_EQ(attr_int(engine, "max_cached_engines_count", 0), 5);
  EXPECT_EQ(attr_int(engine, "max_batch_size", 0), 16);
  const std::pair<const char*, bool> flags[] = {{"use_calibration", true},          {"static_engine", false},
                                                {"_use_implicit_batch", false},     {"use_explicit_precision", false},
                                                {"_allow_build_at_runtime", false}, {"_profile_generation_mode", false},
                                                {"fixed_input_size", true}};
  for (const auto& [name, value] : flags) {
    ASSERT_NE(engine.attr(name), nullptr) << name;
    EXPECT_EQ(attr_bool(*engine.attr(name)), value) << name;
  }
  for (const char* name : {"serialized_segment", "calibration_data", "segment_funcdef_name", "cached_engine_batches"}) {
    EXPECT_NE(engine.attr(name), nullptr) << name;
  }
  const FunctionDef& native = converted.functions.at("TRTEngineOp_007_000_native_segment");
  EXPECT_EQ(native.args, std::vector<std::string_view>{"TensorRTInputPH_0"});
  EXPECT_EQ(native.outputs, std::vector<std::string_view>{"TensorRTOutputPH_0"});
  EXPECT_EQ(native.returns.at("TensorRTOutputPH_0"), "a:activations:0");
  ASSERT_EQ(native.attrs.size(), 1u);
  EXPECT_EQ(native.attrs[0].key, "_tf_data_function") << "keeps Grappler away";
  std::vector<std::string_view> names;
  for (const NodeDef& node : native.nodes) names.push_back(node.name);
  EXPECT_EQ(names, (std::vector<std::string_view>{"a/w", "a/b", "a/conv", "a/bias", "a"}));
}

TEST(ConvertGraph, AFetchedNodeInsideAnEngineLeavesItsName) {
  GraphDefBuilder graph;
  graph.conv("b", graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4), 4, 2);
  const GraphDefConversion result = convert_and_compare(graph.bytes(), {"a:0", "b"}, params());
  EXPECT_EQ(outline(result.graph_def),
            "Placeholder() x\n"
            "TRTEngineOp(x) TRTEngineOp_007_000\n"
            "Identity(TRTEngineOp_007_000) a\n"
            "Identity(TRTEngineOp_007_000:1) b\n");
}

TEST(ConvertGraph, ADiamondWithAHoleTakesTwoEngines) {
  GraphDefBuilder graph;
  graph.conv("stem", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4);
  graph.conv("left", "stem", 4, 4);
  graph.node("Tanh", "right", {"stem"});
  graph.node("AddV2", "sum", {"left", "right"});
  graph.conv("top", "sum", 4, 4);
  const GraphDefConversion result = convert_and_compare(graph.bytes(), {"top"}, params());
  EXPECT_EQ(outline(result.graph_def),
            "Placeholder() x\n"
            "TRTEngineOp(x) TRTEngineOp_007_000\n"
            "Tanh(TRTEngineOp_007_000) right\n"
            "TRTEngineOp(TRTEngineOp_007_000:1,right) TRTEngineOp_007_001\n"
            "Identity(TRTEngineOp_007_001) top\n");
}

TEST(ConvertGraph, ControlEdgesStay) {
  GraphDefBuilder graph;
  graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4);
  graph.node("Tanh", "first", {"x"});
  graph.conv("b", "a", 4, 4);
  graph.node("Relu", "late", {"b", "^first"});
  graph.node("Tanh", "last", {"x", "^a", "^b"});
  const GraphDefConversion result = convert_and_compare(graph.bytes(), {"late", "last"}, params());
  EXPECT_EQ(outline(result.graph_def),
            "Placeholder() x\n"
            "TRTEngineOp(x,^first) TRTEngineOp_007_000\n"
            "Tanh(x) first\n"
            "Identity(TRTEngineOp_007_000) late\n"
            "Tanh(x,^TRTEngineOp_007_000) last\n");
}

TEST(ConvertGraph, AControlEdgeOfAConstantCountsToo) {
  // "first" depends on a and b/w waits for it: b cannot be in one engine with a.
  GraphDefBuilder graph;
  graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4);
  graph.node("Tanh", "first", {"a"});
  graph.constant("w", {3, 3, 4, 4});
  graph.add_raw("\x1a\x06^first");
  graph.node(
      "Conv2D", "b", {"a", "w"},
      {{"T", type_attr(1)}, {"padding", tfgraph::string_attr("SAME")}, {"strides", tfgraph::ints_attr({1, 1, 1, 1})}});
  graph.conv("c", "b", 4, 4);
  const GraphDefConversion result = convert_and_compare(graph.bytes(), {"c"}, params());
  EXPECT_EQ(outline(result.graph_def),
            "Placeholder() x\n"
            "TRTEngineOp(x) TRTEngineOp_007_000\n"
            "Tanh(TRTEngineOp_007_000) first\n"
            "TRTEngineOp(TRTEngineOp_007_000,^first) TRTEngineOp_007_001\n"
            "Identity(TRTEngineOp_007_001) c\n");
}

TEST(ConvertGraph, WaitingForConstantsOrdersNothing) {
  GraphDefBuilder graph;
  graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4);
  graph.node("Identity", "read", {"a/w"});
  graph.node("NoOp", "reads", {"^read", "^a/b"}, {});
  graph.node("Identity", "out", {"a", "^reads"});
  const GraphDefConversion result = convert_and_compare(graph.bytes(), {"out"}, params());
  EXPECT_EQ(outline(result.graph_def),
            "Placeholder() x\n"
            "TRTEngineOp(x) TRTEngineOp_007_000\n"
            "Identity(TRTEngineOp_007_000) out\n");
}

TEST(ConvertGraph, SeveralOutputsOfOneNodeAndSeveralNamesOfOneTensor) {
  GraphDefBuilder graph;
  graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4);
  graph.node("Split", "rows", {graph.scalar("axis", 1), "a"},
             {{"T", type_attr(1)}, {"num_split", tfgraph::int_attr(3)}});
  graph.node("AddV2", "sum", {"rows:1", "rows:2"});
  graph.node("Tanh", "t0", {"rows"});
  graph.node("Tanh", "t1", {"rows:1"});
  graph.node("Identity", "same", {"sum"});
  graph.node("Tanh", "t2", {"same"});
  graph.node("Tanh", "t3", {"sum"});
  const GraphDefConversion result = convert_and_compare(graph.bytes(), {"t0", "t1", "t2", "t3"}, params());
  EXPECT_EQ(outline(result.graph_def),
            "Placeholder() x\n"
            "TRTEngineOp(x) TRTEngineOp_007_000\n"
            "Tanh(TRTEngineOp_007_000) t0\n"
            "Tanh(TRTEngineOp_007_000:1) t1\n"
            "Identity(TRTEngineOp_007_000:2) same\n"
            "Tanh(same) t2\n"
            "Tanh(TRTEngineOp_007_000:2) t3\n");
}

TEST(ConvertGraph, LargeConstantsOfSeveralPlacesAreStoredOnce) {
  GraphDefBuilder graph;
  graph.placeholder("x", {-1, 6, 6, 8});
  graph.constant("w", {3, 3, 8, 8});
  graph.constant("b", {8});
  const auto conv = [&](const std::string& name, const std::string& input) {
    graph.node("Conv2D", name + "/conv", {input, "w"},
               {{"T", type_attr(1)},
                {"padding", tfgraph::string_attr("SAME")},
                {"strides", tfgraph::ints_attr({1, 1, 1, 1})}});
    graph.node("BiasAdd", name + "/bias", {name + "/conv", "b"});
    graph.node("Relu", name, {name + "/bias"});
  };
  conv("first", "x");
  graph.node("Tanh", "hole", {"first"});
  conv("second", "hole");
  graph.node("Tanh", "outside", {"w"});
  const std::string bytes = graph.bytes();
  const GraphDefConversion result =
      convert_and_compare(bytes, {"second", "outside"}, params(), images("x", {1, 6, 6, 8}));
  EXPECT_LT(result.graph_def.size(), bytes.size() + 4500) << "2304 bytes of weights may be there once only";
  const tfgraph::GraphDef converted = tfgraph::read_graph_def(result.graph_def);
  EXPECT_EQ(converted.functions.count("tfengine_constant_007_0"), 1u);
  EXPECT_EQ(converted.functions.size(), 3u) << "the small one is copied";
  EXPECT_EQ(converted.nodes[1].name, "w");
  EXPECT_EQ(converted.nodes[1].op, "PartitionedCall");
}

TEST(ConvertGraph, WhatIsNotConvertedKeepsItsBytes) {
  GraphDefBuilder graph;
  graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4);
  graph.node("Tanh", "t", {"a"});
  graph.add_raw("\x32\x06\x0a\x04orig");
  graph.node("Tanh", "u", {"x"});
  graph.add_raw("\x32\x06\x0a\x04orig");
  graph.add_field("\x22\x03\x08\x90\x0e");  // versions { producer: 1808 }
  const std::string bytes = graph.bytes();
  const std::string converted = convert_graph_def(bytes, {"t", "u"}, params()).graph_def;
  const tfgraph::GraphDef source = tfgraph::read_graph_def(bytes), after = tfgraph::read_graph_def(converted);
  ASSERT_EQ(after.nodes.size(), 4u);
  EXPECT_EQ(after.producer_version, 1808u);
  EXPECT_EQ(after.nodes[3].message, source.nodes.back().message);
  EXPECT_NE(after.nodes[2].message.find("\x32\x06\x0a\x04orig"), std::string_view::npos) << "unknown fields stay";
}

TEST(ConvertGraph, ColocationWithNodesThatAreGoneIsDropped) {
  GraphDefBuilder graph;
  graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4);
  const auto colocated = [&](const std::vector<std::string_view>& with) {
    return std::vector<AttrMessage>{{"T", type_attr(1)}, {"_class", tfgraph::strings_attr(with)}};
  };
  graph.node("Tanh", "t", {"a"}, colocated({"loc:@a/w", "loc:@x"}));
  graph.node("Tanh", "u", {"x"}, colocated({"loc:@a"}));
  const std::string converted = convert_graph_def(graph.bytes(), {"t", "u"}, params()).graph_def;
  const tfgraph::GraphDef after = tfgraph::read_graph_def(converted);
  EXPECT_EQ(tfgraph::attr_strings(after.nodes[2], "_class"), std::vector<std::string_view>{"loc:@x"});
  EXPECT_EQ(after.nodes[3].attr("_class"), nullptr);
}

TEST(ConvertGraph, NodesThatNoOutputNeedsAreLeftOut) {
  GraphDefBuilder graph;
  graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4);
  graph.node("Tanh", "summary", {"a/bias"});
  const GraphDefConversion result = convert_and_compare(graph.bytes(), {"a"}, params());
  EXPECT_EQ(outline(result.graph_def),
            "Placeholder() x\nTRTEngineOp(x) TRTEngineOp_007_000\nIdentity(TRTEngineOp_007_000) a\n");
  EXPECT_EQ(convert_graph_def(graph.bytes(), {}, params()).engines[0].outputs.size(), 2u)
      << "without named outputs, what no node uses is one";
}

TEST(ConvertGraph, NchwGraphs) {
  GraphDefBuilder graph;
  graph.conv("b", graph.conv("a", graph.placeholder("x", {-1, 3, 6, 6}), 3, 4, "NCHW"), 4, 2, "NCHW");
  const GraphDefConversion result = convert_and_compare(graph.bytes(), {"b"}, params(), images("x", {2, 3, 6, 6}));
  ASSERT_EQ(result.engines.size(), 1u);
  EXPECT_EQ(result.engines[0].outputs[0].shape, (Shape{-1, 2, 6, 6}));
}

TEST(ConvertGraph, DevicesAreNotMixedAndAreKept) {
  GraphDefBuilder graph;
  graph.placeholder("x", {-1, 6, 6, 3});
  std::string last = "x";
  for (const std::string device : {"/cpu:0", "/cpu:1"}) {
    for (const std::string name : {"a", "b", "c"}) {
      last = graph.node("Relu6", fmt::format("{}{}", name, device.back()), {last});
      graph.device(device);
    }
  }
  const GraphDefConversion result = convert_and_compare(graph.bytes(), {last}, params());
  ASSERT_EQ(result.engines.size(), 2u);
  EXPECT_EQ(result.engines[0].device, "/cpu:0");
  EXPECT_EQ(result.engines[1].device, "/cpu:1");
  EXPECT_EQ(tfgraph::read_graph_def(result.graph_def).nodes[1].device, "/cpu:0");
}

TEST(ConvertGraph, GraphNumbersAreNotUsedTwice) {
  GraphDefBuilder graph;
  graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4);
  graph.node("Tanh", "t", {"a"});
  graph.conv("b", "t", 4, 4);
  GraphDefParams p = params();
  p.nodes_denylist = {"b", "b/bias:0", "b/conv"};
  const GraphDefConversion once = convert_graph_def(graph.bytes(), {"b"}, p);
  EXPECT_EQ(once.engines[0].name, "TRTEngineOp_007_000");
  const GraphDefConversion twice = convert_graph_def(once.graph_def, {"b"}, params());
  ASSERT_EQ(twice.engines.size(), 1u) << twice.report_text();
  EXPECT_EQ(twice.engines[0].name, "TRTEngineOp_008_000");
  p.graph_number = -1;
  EXPECT_NE(convert_graph_def(graph.bytes(), {"b"}, p).engines[0].name,
            convert_graph_def(graph.bytes(), {"b"}, p).engines[0].name);
}

TEST(ConvertGraph, TheSameBytesEveryTime) {
  GraphDefBuilder graph;
  graph.conv("b", graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4), 4, 2);
  EXPECT_EQ(convert_graph_def(graph.bytes(), {"b"}, params()).graph_def,
            convert_graph_def(graph.bytes(), {"b"}, params()).graph_def);
}

TEST(ConvertGraph, MinusOneLeavesTheMainGraph) {
  GraphDefBuilder graph;
  graph.conv("a", graph.placeholder("x", {-1, 6, 6, 3}), 3, 4);
  const std::string bytes = graph.bytes();
  EXPECT_EQ(convert_graph_def(bytes, {"a"}, params(-1)).graph_def, bytes);
}

}  // namespace
}  // namespace tfengine
