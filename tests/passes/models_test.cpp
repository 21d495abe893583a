// SPDX-License-Identifier: Apache-2.0
// The frozen Keras applications (bench/models.py writes them), where they are present: what the passes leave of them, and
// that the numbers stay. The histogram is printed; with TFE_PRINT_NODES in the
// environment also the nodes and the time of each pass.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <iostream>

#include "ops/op.h"
#include "passes/pipeline.h"
#include "passes/specialize.h"
#include "passes/support.h"
#include "tfgraph/read.h"

namespace tfengine::passes {
namespace {

namespace fs = std::filesystem;

struct Model {
  const char* name;
  int64_t side;  // input height and width of the numeric check: the least that the network's windows allow; 0: none
};

void PrintTo(const Model& model, std::ostream* out) { *out << model.name; }

// VGG16's classifier needs its 224 x 224 pixels, which take the oracle minutes.
constexpr Model kModels[] = {
    {"resnet50", 32},       {"resnet101", 32},        {"resnet50v2", 32},       {"mobilenet", 32},
    {"mobilenetv2", 32},    {"mobilenetv3large", 32}, {"mobilenetv3small", 32}, {"inceptionv3", 75},
    {"efficientnetb0", 32}, {"efficientnetv2b0", 32}, {"densenet121", 32},      {"vgg16", 0},
    {"nasnetmobile", 32},   {"convnexttiny", 32},     {"xception", 71},         {"mlp", 0}};

fs::path path_of(const Model& model) {
  return fs::path(TFE_SOURCE_DIR) / "build" / "bench" / "models" / (std::string(model.name) + ".pb");
}

class Models : public testing::TestWithParam<Model> {
 protected:
  void SetUp() override {
    if (!fs::exists(path_of(GetParam()))) GTEST_SKIP() << path_of(GetParam()) << " is not there (bench/models.py)";
  }
};

// What fuses into something else whenever an engine is to be fast.
constexpr const char* kNeverLeft[] = {
    "FusedBatchNormV3",  "BiasAdd",    "Relu6", "Identity", "Transpose", "Rsqrt", "Erfc",
    "SquaredDifference", "Shape",      "Pack",

    "Squeeze",           "ExpandDims", "Sub",   "Neg",      "RealDiv"};

TEST_P(Models, LittleIsLeft) {
  ir::Graph graph = tfgraph::read_model(path_of(GetParam()));
  const PassReport report = run_pipeline(graph);
  double elapsed_us = 0.0;
  for (const PassStats& stats : report.passes) elapsed_us += stats.elapsed_us;
  const auto histogram = op_histogram(graph);
  std::cout << GetParam().name << " (" << elapsed_us / 1000.0 << " ms):";
  int total = 0;
  for (const auto& [op, count] : histogram) {
    std::cout << " " << op << ":" << count;
    total += count;
  }
  std::cout << " = " << total << "\n";
  for (const std::string& note : report.notes) std::cout << "  " << note << "\n";
  if (std::getenv("TFE_PRINT_NODES") != nullptr) {
    for (const PassStats& stats : report.passes) {
      std::cout << "  " << stats.name << ": " << stats.rewrites << " rewrites, " << stats.elapsed_us << " us\n";
    }
    std::cout << nodes_text(graph);
  }
  for (const char* op : kNeverLeft) EXPECT_EQ(histogram.count(op), 0u) << op;
}

TEST_P(Models, NumbersStay) {
  if (GetParam().side == 0 && std::string(GetParam().name) != "mlp") GTEST_SKIP() << "the oracle takes minutes";
  ir::Graph before = tfgraph::read_model(path_of(GetParam()));
  Shape& shape = before.value(before.inputs[0]).shape;
  shape[0] = 1;
  if (GetParam().side > 0) shape[1] = shape[2] = GetParam().side;
  ops::infer_graph(before);
  ir::Graph after = before;
  run_pipeline(after);
  const std::vector<Tensor> inputs = random_inputs(before, 1);
  expect_same_outputs(ops::evaluate_graph(before, inputs), ops::evaluate_graph(after, inputs), 1e-4, GetParam().name);
}

TEST_P(Models, SpecializesQuicklyToTheSameNumbers) {
  ir::Graph graph = tfgraph::read_model(path_of(GetParam()));
  run_pipeline(graph);
  Shape shape = graph.value(graph.inputs[0]).shape;
  shape[0] = 2;
  const auto start = std::chrono::steady_clock::now();
  const ir::Graph fixed = specialize(graph, std::vector<Shape>{shape});
  const auto elapsed = std::chrono::steady_clock::now() - start;
  std::cout << GetParam().name << ": specialised in " << std::chrono::duration<double, std::milli>(elapsed).count()
            << " ms\n";
  for (ir::ValueId id = 0; id < fixed.value_count(); ++id) EXPECT_TRUE(fixed.value(id).shape.is_static());
}

INSTANTIATE_TEST_SUITE_P(Keras, Models, testing::ValuesIn(kModels),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tfengine::passes
