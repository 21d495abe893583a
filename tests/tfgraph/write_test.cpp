// SPDX-License-Identifier: Apache-2.0
// What is written is what is read; what is not understood is kept.
#include "tfgraph/write.h"

#include <gtest/gtest.h>

#include "tfgraph/op_signatures.h"

namespace tfengine::tfgraph {
namespace {

TEST(Write, AttributesComeBack) {
  const std::vector<AttrMessage> attrs = {{"b", bool_attr(true)},
                                          {"f", function_attr("fun")},
                                          {"i", int_attr(-7)},
                                          {"is", ints_attr({1, -2, 300})},
                                          {"s", string_attr("text")},
                                          {"ss", strings_attr({"a", ""})},
                                          {"shape", shape_attr({-1, 3})},
                                          {"shapes", shapes_attr({{2}, Shape::unknown_rank(), Shape{}})},
                                          {"t", type_attr(9)},
                                          {"ts", types_attr({1, 3})}};
  const std::string bytes = node_message("n", "Op", {"a", "b:1", "^c"}, "/cpu:0", attrs);
  const NodeDef node = read_node_def(bytes);
  EXPECT_EQ(node.name, "n");
  EXPECT_EQ(node.op, "Op");
  EXPECT_EQ(node.device, "/cpu:0");
  EXPECT_EQ(node.inputs, (std::vector<std::string_view>{"a", "b:1", "^c"}));
  EXPECT_TRUE(attr_bool(*node.attr("b")));
  EXPECT_EQ(attr_function(node, "f"), "fun");
  EXPECT_EQ(attr_int(node, "i", 0), -7);
  EXPECT_EQ(attr_string(node, "s"), "text");
  EXPECT_EQ(attr_strings(node, "ss"), (std::vector<std::string_view>{"a", ""}));
  EXPECT_EQ(attr_shapes(node, "shapes"), (std::vector<Shape>{{2}, Shape::unknown_rank(), Shape{}}));
  EXPECT_EQ(attr_type(node, "t"), 9u);
  EXPECT_EQ(attr_types(node, "ts"), (std::vector<uint64_t>{1, 3}));
  ConstantBudget budget;
  EXPECT_EQ(std::get<std::vector<int64_t>>(*read_attr(*node.attr("is"), budget)), (std::vector<int64_t>{1, -2, 300}));
  EXPECT_EQ(std::get<Shape>(*read_attr(*node.attr("shape"), budget)), (Shape{-1, 3}));
}

TEST(Write, AChangedNodeKeepsWhatIsNotChanged) {
  // Field 99 is nobody's: a later TensorFlow may have one.
  const std::string unknown = "\x9a\x06\x03new";
  const std::string bytes =
      node_message("n", "Op", {"a"}, "/cpu:0", {{"x", int_attr(1)}, {"y", int_attr(2)}, {"z", int_attr(3)}}) + unknown;
  const NodeDef before = read_node_def(bytes);
  const std::vector<std::string> inputs = {"b", "^c"};
  NodeChange change;
  change.inputs = &inputs;
  change.name = "m";
  change.device = "/cpu:1";
  change.attrs = {{"x", int_attr(10)}, {"y", ""}};
  const std::string changed = changed_node(before, change);
  const NodeDef after = read_node_def(changed);
  EXPECT_EQ(after.name, "m");
  EXPECT_EQ(after.op, "Op");
  EXPECT_EQ(after.device, "/cpu:1");
  EXPECT_EQ(after.inputs, (std::vector<std::string_view>{"b", "^c"}));
  EXPECT_EQ(attr_int(after, "x", 0), 10);
  EXPECT_EQ(after.attr("y"), nullptr);
  EXPECT_EQ(attr_int(after, "z", 0), 3);
  EXPECT_NE(changed.find(unknown), std::string::npos);
  const std::string same = changed_node(before, {});
  EXPECT_EQ(read_node_def(same).inputs, before.inputs);
  EXPECT_EQ(same.size(), bytes.size());
}

TEST(Write, FunctionsAndGraphsComeBack) {
  FunctionText text;
  text.name = "f";
  text.args = {{"a", 1}, {"b", 3}};
  text.outputs = {{"y", 1}};
  text.returns = {"r:activations:0"};
  text.nodes = {node_message("r", "Relu", {"a"}, "", {})};
  text.control_nodes = {"r"};
  text.attrs = {{"_noinline", bool_attr(true)}};
  GraphDef source;
  const std::string versions = "\x22\x02\x08\x17";
  source.others = {versions};
  const std::string old_library = std::string("\x0a\x05") + "\x0a\x03\x0a\x01g";
  source.libraries = {old_library};
  const std::string node = node_message("n", "Op", {}, "", {});
  const std::string bytes = graph_message(source, {node}, {function_message(text)});
  const GraphDef graph = read_graph_def(bytes);
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.nodes[0].message, node);
  EXPECT_EQ(graph.producer_version, 23u);
  EXPECT_EQ(graph.functions.count("g"), 1u);
  const FunctionDef& function = graph.functions.at("f");
  EXPECT_EQ(function.args, (std::vector<std::string_view>{"a", "b"}));
  EXPECT_EQ(function.outputs, std::vector<std::string_view>{"y"});
  EXPECT_EQ(function.returns.at("y"), "r:activations:0");
  EXPECT_EQ(function.control_returns, std::vector<std::string_view>{"r"});
  EXPECT_EQ(function.nodes[0].inputs, std::vector<std::string_view>{"a"});
  EXPECT_TRUE(attr_bool(function.attrs[0].value));
}

TEST(Signatures, OfListsFixedTypesAndDefaults) {
  const auto node = [](const std::string& op, const std::vector<AttrMessage>& attrs) {
    static std::string bytes;
    bytes = node_message("n", op, {}, "", attrs);
    return read_node_def(bytes);
  };
  const NodeDef concat = node("ConcatV2", {{"T", type_attr(1)}, {"N", int_attr(3)}});
  EXPECT_EQ(*input_types(concat), (std::vector<uint64_t>{1, 1, 1, 3})) << "Tidx is int32 where it is not written";
  const NodeDef split = node("Split", {{"T", type_attr(1)}, {"num_split", int_attr(2)}});
  EXPECT_EQ(*input_types(split), (std::vector<uint64_t>{3, 1}));
  EXPECT_EQ(output_arg(split, 1)->arg, "output");
  EXPECT_EQ(output_arg(split, 1)->index, 1);
  EXPECT_FALSE(output_arg(split, 2).has_value());
  const NodeDef topk = node("TopKV2", {{"T", type_attr(1)}});
  EXPECT_EQ(*output_types(topk), (std::vector<uint64_t>{1, 3}));
  EXPECT_EQ(output_arg(topk, 1)->arg, "indices");
  EXPECT_EQ(output_arg(topk, 1)->index, 0);
  const NodeDef identities = node("IdentityN", {{"T", types_attr({1, 9})}});
  EXPECT_EQ(*output_types(identities), (std::vector<uint64_t>{1, 9}));
  EXPECT_EQ(*output_types(node("Relu", {})), std::vector<uint64_t>{0}) << "it does not say";
  EXPECT_FALSE(has_signature("Mystery"));
  EXPECT_THROW(input_types(node("Pack", {{"N", int_attr(1 << 20)}})), InvalidModel);
}

}  // namespace
}  // namespace tfengine::tfgraph
