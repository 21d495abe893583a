// SPDX-License-Identifier: Apache-2.0
// What the INT8 rules promise, simulated: results of ops that pass INT8 through are on their inputs' grid and within their
// range; results that are said to be non-negative, or bounded, are.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ops/op.h"
#include "support/op_archives.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

using testing::OpCase;

constexpr float kScale = 0.0625f;  // a power of two: multiples of it are exact

// The case's node of the op; kNone if there are others of them, or its data does not come from the graph's inputs.
ir::NodeId node_of(const ir::Graph& graph, const ops::Op& op) {
  ir::NodeId found = ir::kNone;
  for (const ir::NodeId id : graph.order()) {
    if (ops::find_op(graph.node(id).op) != &op) continue;
    if (found != ir::kNone) return ir::kNone;
    found = id;
  }
  return found;
}

std::vector<ir::ValueId> data_of(const ir::Graph& graph, const ops::Op& op, const ir::Node& node) {
  std::vector<ir::ValueId> data;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const auto& listed = op.int8.data_inputs;
    if (!listed.empty() && std::find(listed.begin(), listed.end(), static_cast<int>(i)) == listed.end()) continue;
    if (graph.value(node.inputs[i]).dtype == DType::F32) data.push_back(node.inputs[i]);
  }
  return data;
}

// The inputs with data on the grid, or without signs.
std::vector<Tensor> changed(const ir::Graph& graph, const std::vector<Tensor>& inputs,
                            const std::vector<ir::ValueId>& data, float (*change)(float)) {
  std::vector<Tensor> result = inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (std::find(data.begin(), data.end(), graph.inputs[i]) == data.end()) continue;
    result[i] = Tensor(DType::F32, inputs[i].shape());
    std::transform(inputs[i].as<float>(), inputs[i].as<float>() + inputs[i].elements(), result[i].mutable_as<float>(),
                   change);
  }
  return result;
}

float on_grid(float x) { return std::nearbyint(x / kScale) * kScale; }
float without_sign(float x) { return std::fabs(x); }

float largest(const std::vector<Tensor>& tensors) {
  float most = 0.0f;
  for (const Tensor& tensor : tensors) {
    if (tensor.dtype() != DType::F32) continue;
    for (int64_t i = 0; i < tensor.elements(); ++i) most = std::max(most, std::fabs(tensor.as<float>()[i]));
  }
  return most;
}

float smallest(const Tensor& tensor) {
  float least = 0.0f;
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    if (!std::isnan(tensor.as<float>()[i])) least = std::min(least, tensor.as<float>()[i]);
  }
  return least;
}

void expect_rule(const ops::Op& op, const ir::Graph& graph, const OpCase& one) {
  const ir::NodeId id = node_of(graph, op);
  if (id == ir::kNone || graph.value(graph.output(id)).dtype != DType::F32) return;
  const auto data = data_of(graph, op, graph.node(id));
  const bool fed = std::all_of(data.begin(), data.end(), [&](ir::ValueId value) {
    return std::find(graph.inputs.begin(), graph.inputs.end(), value) != graph.inputs.end();
  });
  if (data.empty() || !fed) return;
  const std::vector<Tensor> inputs = testing::inputs_of(one, graph);
  const ops::Int8Rule& rule = op.int8;
  if (rule.kind == ops::Int8Kind::Passes || rule.kind == ops::Int8Kind::Common) {
    const auto gridded = changed(graph, inputs, data, on_grid);
    const Tensor output = ops::evaluate_graph(graph, gridded)[0];
    EXPECT_LE(largest({output}), largest(gridded)) << "leaves its inputs' range";
    for (int64_t i = 0; i < output.elements(); ++i) {
      ASSERT_EQ(output.as<float>()[i], on_grid(output.as<float>()[i])) << "leaves its inputs' grid";
    }
  }
  if (rule.sign == ops::Sign::NonNegative) {
    EXPECT_GE(smallest(ops::evaluate_graph(graph, inputs)[0]), 0.0f);
  }
  if (rule.sign == ops::Sign::NonNegativeIfAll && rule.kind != ops::Int8Kind::Compute) {
    EXPECT_GE(smallest(ops::evaluate_graph(graph, changed(graph, inputs, data, without_sign))[0]), 0.0f);
  }
  if (rule.fixed_max_abs) {
    EXPECT_LE(largest({ops::evaluate_graph(graph, inputs)[0]}), *rule.fixed_max_abs);
  }
}

class Int8Rules : public ::testing::TestWithParam<std::string> {};

TEST_P(Int8Rules, Hold) {
  const ops::Op* op = ops::find_op(GetParam());
  if (op == nullptr) GTEST_SKIP() << "it is read as another op";
  if (op->name.substr(0, 9) == "FakeQuant" || op->name.substr(0, 21) == "QuantizeAndDequantize") {
    GTEST_SKIP() << "it rounds to a grid of its own, which INT8 then has";
  }
  for (const auto& [name, one] : testing::op_cases(GetParam())) {
    SCOPED_TRACE(name);
    ir::Graph graph = testing::import_case(one);
    ops::infer_graph(graph);
    expect_rule(*op, graph, one);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Int8Rules, ::testing::ValuesIn(testing::op_archives()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace tfengine
