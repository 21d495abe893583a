// SPDX-License-Identifier: Apache-2.0
#include "support/graph_def_builder.h"

#include <fmt/core.h>

#include <cstring>
#include <memory>

#include "ops/op.h"
#include "tfgraph/read.h"

namespace tfengine::testing {

namespace {

using namespace tfgraph;

std::string field(uint32_t number, std::string_view contents) {
  std::string bytes;
  const auto varint = [&](uint64_t value) {
    for (; value >= 128; value >>= 7) bytes += static_cast<char>(value | 128);
    bytes += static_cast<char>(value);
  };
  varint(number << 3 | 2);
  varint(contents.size());
  return bytes + std::string(contents);
}

std::string tensor_attr(uint64_t type, const Shape& shape, std::string_view contents) {
  std::string tensor = {'\x08', static_cast<char>(type)};
  const std::string as_attr = shape_attr(shape);  // field 7 of an AttrValue
  Reader proto = reader(as_attr);
  proto.next();
  tensor += field(2, get_view(proto));
  tensor += field(4, contents);
  return field(8, tensor);
}

}  // namespace

float GraphDefBuilder::random() {
  state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
  return static_cast<float>(state_ >> 40) / static_cast<float>(1 << 24) - 0.5f;
}

std::string GraphDefBuilder::placeholder(const std::string& name, const Shape& shape, uint64_t type) {
  return node("Placeholder", name, {}, {{"dtype", type_attr(type)}, {"shape", shape_attr(shape)}});
}

std::string GraphDefBuilder::constant(const std::string& name, const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(shape.elements()));
  for (float& value : values) value = random();
  const std::string_view bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return node("Const", name, {}, {{"dtype", type_attr(1)}, {"value", tensor_attr(1, shape, bytes)}});
}

std::string GraphDefBuilder::ints(const std::string& name, const std::vector<int32_t>& values) {
  const std::string_view bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int32_t));
  const Shape shape{static_cast<int64_t>(values.size())};
  return node("Const", name, {}, {{"dtype", type_attr(3)}, {"value", tensor_attr(3, shape, bytes)}});
}

std::string GraphDefBuilder::scalar(const std::string& name, int32_t value) {
  const std::string_view bytes(reinterpret_cast<const char*>(&value), sizeof value);
  return node("Const", name, {}, {{"dtype", type_attr(3)}, {"value", tensor_attr(3, Shape{}, bytes)}});
}

std::string GraphDefBuilder::node(const std::string& op, const std::string& name,
                                  const std::vector<std::string>& inputs, const std::vector<AttrMessage>& attrs) {
  nodes_.push_back(node_message(name, op, inputs, "", attrs));
  return name;
}

std::string GraphDefBuilder::conv(const std::string& name, const std::string& input, int64_t in, int64_t out,
                                  const std::string& format) {
  constant(name + "/w", {3, 3, in, out});
  constant(name + "/b", {out});
  node("Conv2D", name + "/conv", {input, name + "/w"},
       {{"T", type_attr(1)},
        {"data_format", string_attr(format)},
        {"padding", string_attr("SAME")},
        {"strides", ints_attr({1, 1, 1, 1})}});
  node("BiasAdd", name + "/bias", {name + "/conv", name + "/b"},
       {{"T", type_attr(1)}, {"data_format", string_attr(format)}});
  return node("Relu", name, {name + "/bias"});
}

std::string GraphDefBuilder::dense(const std::string& name, const std::string& input, int64_t in, int64_t out) {
  constant(name + "/w", {in, out});
  constant(name + "/b", {out});
  node("MatMul", name + "/matmul", {input, name + "/w"});
  return node("BiasAdd", name, {name + "/matmul", name + "/b"});
}

void GraphDefBuilder::device(const std::string& device) { nodes_.back() += field(4, device); }
void GraphDefBuilder::add_raw(const std::string& node_fields) { nodes_.back() += node_fields; }

std::string GraphDefBuilder::bytes() const {
  std::vector<std::string_view> nodes(nodes_.begin(), nodes_.end());
  return graph_message({}, nodes, functions_) + fields_;
}

std::string with_native_segments(const std::string& graph_def) {
  const GraphDef graph = read_graph_def(graph_def);
  std::vector<std::string> texts;
  texts.reserve(graph.nodes.size());
  std::vector<std::string_view> nodes;
  for (const NodeDef& node : graph.nodes) {
    if (node.op != "TRTEngineOp") {
      nodes.push_back(node.message);
      continue;
    }
    std::vector<std::string> inputs(node.inputs.begin(), node.inputs.end());
    texts.push_back(node_message(node.name, "PartitionedCall", inputs, node.device,
                                 {{"Tin", std::string(*node.attr("InT"))},
                                  {"Tout", std::string(*node.attr("OutT"))},
                                  {"f", std::string(*node.attr("segment_func"))}}));
    nodes.push_back(texts.back());
  }
  return graph_message(graph, nodes, {});
}

std::vector<Tensor> evaluate_graph_def(const std::string& graph_def, const std::map<std::string, Tensor>& inputs,
                                       const std::vector<std::string>& outputs) {
  ImportOptions options;
  for (const auto& [name, tensor] : inputs) options.inputs.push_back(name);
  options.outputs = outputs;
  ir::Graph graph = read_graph_bytes(graph_def, std::make_shared<std::string>(), "test", options);
  ops::infer_graph(graph);
  std::vector<Tensor> ordered;
  for (const ir::ValueId id : graph.inputs) ordered.push_back(inputs.at(graph.value(id).name));
  return ops::evaluate_graph(graph, ordered);
}

std::string outline(const std::string& graph_def) {
  std::string text;
  for (const NodeDef& node : read_graph_def(graph_def).nodes) {
    if (node.op == "Const") continue;
    text += fmt::format("{}({}) {}\n", node.op, fmt::join(node.inputs, ","), node.name);
  }
  return text;
}

}  // namespace tfengine::testing
