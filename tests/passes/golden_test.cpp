// SPDX-License-Identifier: Apache-2.0
// Small graphs that TensorFlow itself wrote (tests/golden): their numbers stay through the pipeline, and the formulas
// among them come out as one node.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "ops/op.h"
#include "passes/pipeline.h"
#include "passes/support.h"
#include "tfengine/error.h"
#include "tfgraph/read.h"

namespace tfengine::passes {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(TFE_SOURCE_DIR) / "tests" / "golden";

struct Case {
  std::string folder;
  std::vector<std::string> outputs;
};

// Lines of "FAMILY CASE INPUTS OUTPUTS".
std::vector<Case> golden_cases() {
  std::vector<Case> cases;
  std::ifstream index(kGolden / "index.txt");
  for (std::string line; std::getline(index, line);) {
    std::istringstream words(line);
    std::string family, name, inputs, outputs;
    if (!(words >> family >> name >> inputs >> outputs)) continue;
    Case one{family + "/" + name, {}};
    std::istringstream list(outputs);
    for (std::string output; std::getline(list, output, ',');) one.outputs.push_back(output);
    cases.push_back(std::move(one));
  }
  return cases;
}

ir::Graph read(const Case& one) {
  tfgraph::ImportOptions options;
  options.outputs = one.outputs;
  return tfgraph::read_model(kGolden / one.folder / "graph.pb", options);
}

TEST(Golden, NumbersStay) {
  int checked = 0;
  for (const Case& one : golden_cases()) {
    if (!fs::exists(kGolden / one.folder / "graph.pb")) continue;
    SCOPED_TRACE(one.folder);
    ir::Graph before = read(one);
    std::vector<Tensor> inputs;
    std::vector<Tensor> expected;
    try {
      ops::infer_graph(before);
      inputs = random_inputs(before, 3);
      expected = ops::evaluate_graph(before, inputs);
    } catch (const Error&) {
      continue;  // random numbers where the op wants indices, or shapes that unknown dimensions of 2 do not fit
    }
    ir::Graph after = before;
    ASSERT_NO_THROW(run_pipeline(after));
    expect_same_outputs(expected, ops::evaluate_graph(after, inputs), 1e-4, nodes_text(after));
    ++checked;
  }
  std::cout << checked << " graphs\n";
}

struct Formula {
  const char* name;
  const char* nodes;  // the ops that are left, in order
};

TEST(Golden, FormulasBecomeOneNode) {
  constexpr Formula kFormulas[] = {{"gelu_erf", "Gelu"},
                                   {"gelu_erfc", "Gelu"},
                                   {"gelu_tanh", "Gelu"},
                                   {"hard_swish", "HardSwish"},
                                   {"hard_swish_multiplied", "HardSwish"},
                                   {"swish", "Swish"},
                                   {"layer_norm", "LayerNorm"},
                                   {"squeeze_excite", "Mean Conv2D Conv2D Mul"}};
  const std::vector<Case> cases = golden_cases();
  for (const Formula& formula : kFormulas) {
    const std::string folder = std::string("patterns/") + formula.name;
    const auto found = std::find_if(cases.begin(), cases.end(), [&](const Case& c) { return c.folder == folder; });
    if (found == cases.end() || !fs::exists(kGolden / folder / "graph.pb")) continue;
    ir::Graph graph = read(*found);
    run_pipeline(graph);
    std::string left;
    for (const ir::NodeId id : graph.order()) left += (left.empty() ? "" : " ") + graph.node(id).op;
    EXPECT_EQ(left, formula.nodes) << formula.name << "\n" << nodes_text(graph);
  }
}

}  // namespace
}  // namespace tfengine::passes
