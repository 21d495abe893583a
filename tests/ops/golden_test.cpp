// SPDX-License-Identifier: Apache-2.0
// The oracle against real TensorFlow: every case of tests/golden is imported, inferred and evaluated.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "ops/op.h"
#include "support/compare.h"
#include "tfengine/data.h"
#include "tfgraph/read.h"

namespace tfengine {
namespace {

using testing::tensors_near;

const std::filesystem::path kGolden = std::filesystem::path(TFE_SOURCE_DIR) / "tests" / "golden";

struct GoldenCase {
  std::string family, name;
  std::vector<std::string> inputs, outputs;
};

std::vector<std::string> comma_list(const std::string& text) {
  std::vector<std::string> list;
  std::stringstream stream(text);
  for (std::string entry; std::getline(stream, entry, ',');) {
    if (entry != "-") list.push_back(entry);
  }
  return list;
}

std::vector<GoldenCase> golden_cases() {
  std::vector<GoldenCase> cases;
  std::ifstream index(kGolden / "index.txt");
  for (std::string line; std::getline(index, line);) {
    std::stringstream stream(line);
    std::string family, name, inputs, outputs;
    stream >> family >> name >> inputs >> outputs;
    cases.push_back({family, name, comma_list(inputs), comma_list(outputs)});
  }
  return cases;
}

void PrintTo(const GoldenCase& golden, std::ostream* stream) { *stream << golden.family << "/" << golden.name; }

class Golden : public ::testing::TestWithParam<GoldenCase> {};

TEST_P(Golden, MatchesTensorFlow) {
  const GoldenCase& golden = GetParam();
  const std::filesystem::path folder = kGolden / golden.family / golden.name;
  tfgraph::ImportOptions options;
  options.inputs = golden.inputs;
  options.outputs = golden.outputs;
  ir::Graph graph = tfgraph::read_model(folder / "graph.pb", options);
  ops::infer_graph(graph);
  std::vector<Tensor> inputs;
  for (const ir::ValueId id : graph.inputs)
    inputs.push_back(read_npy(folder / ("input_" + graph.value(id).name + ".npy")));
  const std::vector<Tensor> outputs = ops::evaluate_graph(graph, inputs);
  ASSERT_EQ(outputs.size(), golden.outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Tensor expected = read_npy(folder / ("expected_" + std::to_string(i) + ".npy"));
    // 1e-5: TensorFlow accumulates in float and its functions are polynomials good to a few units in the last place.
    EXPECT_TRUE(tensors_near(expected, outputs[i], 1e-5)) << golden.outputs[i];
    const Shape& inferred = graph.value(graph.outputs[i].value).shape;
    EXPECT_EQ(inferred, inferred.is_static() ? expected.shape() : inferred) << "as inferred";
  }
}

INSTANTIATE_TEST_SUITE_P(All, Golden, ::testing::ValuesIn(golden_cases()),
                         [](const auto& info) { return info.param.family + "_" + info.param.name; });

}  // namespace
}  // namespace tfengine
