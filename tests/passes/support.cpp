// SPDX-License-Identifier: Apache-2.0
#include "passes/support.h"

#include <cmath>
#include <cstring>
#include <random>

#include "ir/parser.h"
#include "ir/printer.h"
#include "ops/op.h"
#include "passes/pipeline.h"

namespace tfengine::passes {

namespace {

Tensor random_tensor(DType dtype, Shape shape, std::mt19937_64& random) {
  for (int64_t& dim : shape.dims()) dim = dim < 0 ? 2 : dim;
  Tensor tensor(dtype, shape);
  std::normal_distribution<float> normal(0.0f, 2.0f);
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    if (dtype == DType::F32) tensor.mutable_as<float>()[i] = normal(random);
    if (dtype == DType::S32) tensor.mutable_as<int32_t>()[i] = static_cast<int32_t>(random() % 3);
  }
  return tensor;
}

Rewritten finish(const ir::Graph& before, ir::Graph after, const PassReport& report) {
  Rewritten result;
  for (const PassStats& stats : report.passes) result.rewrites += stats.rewrites;
  result.notes = report.notes;
  result.nodes = nodes_text(after);
  const std::vector<Tensor> inputs = random_inputs(before, 7);
  EXPECT_EQ(before.outputs.size(), after.outputs.size());
  for (size_t i = 0; i < before.outputs.size(); ++i) {
    EXPECT_EQ(before.outputs[i].name, after.outputs[i].name);
    EXPECT_EQ(before.value(before.outputs[i].value).name, after.value(after.outputs[i].value).name);
  }
  expect_same_outputs(ops::evaluate_graph(before, inputs), ops::evaluate_graph(after, inputs), 1e-4, result.nodes);
  result.graph = std::move(after);
  return result;
}

}  // namespace

ir::Graph parse_and_infer(std::string_view text) {
  ir::Graph graph = ir::parse(text);
  ops::infer_graph(graph);
  return graph;
}

Rewritten rewrite(std::string_view text, const std::vector<NamedPass>& passes) {
  const ir::Graph before = parse_and_infer(text);
  ir::Graph after = before;
  PassReport report;
  for (const NamedPass& pass : passes) run_pass(pass.name, pass.fn, after, {}, report);
  return finish(before, std::move(after), report);
}

Rewritten rewrite_all(std::string_view text) {
  const ir::Graph before = parse_and_infer(text);
  ir::Graph after = before;
  const PassReport report = run_pipeline(after);
  return finish(before, std::move(after), report);
}

std::string nodes_text(const ir::Graph& graph) {
  std::string text;
  for (const ir::NodeId id : graph.order()) {
    const std::string line = ir::print_node(graph, graph.node(id));
    text += line.substr(0, line.find(" -> ")) + "\n";
  }
  return text;
}

std::string ops_left(const ir::Graph& graph) {
  std::string text;
  for (const ir::NodeId id : graph.order()) text += (text.empty() ? "" : " ") + graph.node(id).op;
  return text;
}

std::map<std::string, int> op_histogram(const ir::Graph& graph) {
  std::map<std::string, int> counts;
  for (const ir::NodeId id : graph.order()) ++counts[graph.node(id).op];
  return counts;
}

std::vector<Tensor> random_inputs(const ir::Graph& graph, uint64_t seed, const std::vector<Shape>& shapes) {
  std::mt19937_64 random(seed);
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const ir::Value& input = graph.value(graph.inputs[i]);
    inputs.push_back(random_tensor(input.dtype, shapes.empty() ? input.shape : shapes[i], random));
  }
  return inputs;
}

ir::Graph expect_rewrite(ir::Graph before, PassFn pass, double tolerance, std::string_view left) {
  ops::infer_graph(before);
  const auto inputs = random_inputs(before, 3);
  ir::Graph after = before;
  PassContext context;
  pass(after, context);
  after.remove_dead();
  ops::infer_graph(after);
  expect_same_outputs(ops::evaluate_graph(before, inputs), ops::evaluate_graph(after, inputs), tolerance,
                      nodes_text(after));
  EXPECT_EQ(ops_left(after), left) << nodes_text(after);
  return after;
}

void expect_same_outputs(const std::vector<Tensor>& expected, const std::vector<Tensor>& actual, double tolerance,
                         const std::string& what) {
  ASSERT_EQ(expected.size(), actual.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(expected[i].shape(), actual[i].shape()) << "output " << i << " of\n" << what;
    ASSERT_EQ(expected[i].dtype(), actual[i].dtype()) << "output " << i << " of\n" << what;
    if (expected[i].dtype() != DType::F32) {
      EXPECT_EQ(std::memcmp(expected[i].data(), actual[i].data(), expected[i].bytes()), 0) << what;
      continue;
    }
    double range = 1e-6;
    double worst = 0.0;
    for (int64_t e = 0; e < expected[i].elements(); ++e) {
      const double want = expected[i].as<float>()[e];
      const double got = actual[i].as<float>()[e];
      if (std::isfinite(want)) range = std::max(range, std::fabs(want));
      if (want == got || (std::isnan(want) && std::isnan(got))) continue;
      const double difference = std::fabs(want - got);
      worst = std::isnan(difference) ? difference : std::max(worst, difference);
    }
    EXPECT_LE(worst, tolerance * range) << "output " << i << " of\n" << what;
  }
}

}  // namespace tfengine::passes
