// SPDX-License-Identifier: Apache-2.0
// What the tests of the INT8 rewrite share: graphs around a few constants, and short forms of what came out.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "ir/parser.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "ops/op.h"
#include "quantize/rewrite.h"

namespace tfengine::quantize {

using Ranges = std::initializer_list<std::pair<const char*, float>>;

constexpr const char* kInput = "%x: f32[1,4,4,4]";
constexpr const char* kConstants = R"(
  %w = const f32[1,1,4,4] uniform(1, -1.0, 1.0)
  %w2 = const f32[1,1,8,4] uniform(2, -1.0, 1.0)
  %dw = const f32[3,3,4,1] uniform(3, -1.0, 1.0)
  %fc = const f32[4,10] uniform(4, -1.0, 1.0)
  %b = const f32[4] uniform(5, -1.0, 1.0)
  %b10 = const f32[10] uniform(6, -1.0, 1.0)
  %axis = const s32[] [3]
  %hw = const s32[2] [1, 2]
)";

// Conv2D with a 1x1 filter.
#define CONV "{strides=[1,1,1,1], padding=\"SAME\"}"

inline ir::Graph graph_of(const std::string& body, const std::string& inputs = kInput) {
  ir::Graph graph = ir::parse("graph @g(" + inputs + ") {\n" + kConstants + body + "\n}");
  ops::infer_graph(graph);
  return graph;
}

inline RangeTable table_of(Ranges ranges) {
  RangeTable table;
  for (const auto& [name, max_abs] : ranges) table.set(name, {max_abs, ir::RangeSource::Calibrated, false, "mse"});
  return table;
}

inline RewriteResult rewritten(const ir::Graph& graph, Ranges ranges, const RewriteOptions& options = {}) {
  RewriteResult result = rewrite_to_int8(graph, table_of(ranges), options);
  ir::verify(result.graph);
  // Inference agrees with the types that the rewrite gave.
  const std::string before = ir::print(result.graph);
  ops::infer_graph(result.graph);
  EXPECT_EQ(ir::print(result.graph), before);
  return result;
}

// "s8 0.5", "u8 0.25" or "f32".
inline std::string form(const ir::Graph& graph, std::string_view name) {
  const ir::ValueId id = graph.find_value(name);
  if (id == ir::kNone) return "absent";
  const ir::Value& value = graph.value(id);
  if (!value.quant.defined()) return value.dtype == DType::F32 ? "f32" : std::string(dtype_name(value.dtype));
  return (value.dtype == DType::S8 ? "s8 r=" : "u8 r=") +
         std::to_string(value.quant.scales[0] * (value.dtype == DType::S8 ? 127 : 255)).substr(0, 4);
}

inline std::vector<std::string> inputs_of(const ir::Graph& graph, std::string_view name) {
  std::vector<std::string> result;
  const ir::NodeId producer = graph.value(graph.find_value(name)).producer;
  for (const ir::ValueId id : graph.node(producer).inputs) result.push_back(graph.value(id).name);
  return result;
}

inline const NodeReport& node_report(const RewriteResult& result, std::string_view name) {
  for (const NodeReport& report : result.report.nodes) {
    if (report.name == name) return report;
  }
  ADD_FAILURE() << "no report of node " << name;
  static const NodeReport kNothing;
  return kNothing;
}

inline std::string tensor_text(const RewriteResult& result, std::string_view name) {
  for (const TensorReport& report : result.report.tensors) {
    if (report.name == name) return report.text;
  }
  return "absent";
}

inline std::vector<int> borders(const RewriteResult& result) {
  return {result.report.quantize_nodes, result.report.dequantize_nodes, result.report.requantize_nodes};
}

using Strings = std::vector<std::string>;

}  // namespace tfengine::quantize
