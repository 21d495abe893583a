// SPDX-License-Identifier: Apache-2.0
// Every backend of this build on random steps and networks against the oracle. A failure prints the seed;
// TFE_TEST_SEED=N runs that one seed, TFE_TEST_ROUNDS=N more of them; TFE_TEST_TRACE=1 names every tactic before it runs.
#include <gtest/gtest.h>

#include <cstdlib>

#include "backends/list.h"
#include "ir/printer.h"
#include "ops/op.h"
#include "support/compare.h"
#include "support/conformance.h"
#include "support/random.h"

namespace tfengine {
namespace {

using testing::Conformance;
using testing::environment;
using testing::Random;
using testing::StepPrecision;

struct StepCase {
  std::string backend, kind;
  StepPrecision precision;
};

void PrintTo(const StepCase& step, std::ostream* stream) { *stream << step.backend << " " << step.kind; }

std::vector<StepCase> step_cases() {
  std::vector<StepCase> cases;
  for (const char* backend : {"onednn", "reference"}) {
    for (const StepPrecision precision : {StepPrecision::Float, StepPrecision::Int8}) {
      for (const std::string& kind : testing::step_kinds(precision)) cases.push_back({backend, kind, precision});
    }
  }
  return cases;
}

class Steps : public ::testing::TestWithParam<StepCase> {};

TEST_P(Steps, AgreeWithTheOracle) {
  const StepCase& step = GetParam();
  const plan::Backend& backend = *backends_by_name(step.backend).front();
  const uint64_t first = environment("TFE_TEST_SEED", 1);
  const uint64_t rounds = std::getenv("TFE_TEST_SEED") != nullptr ? 1 : environment("TFE_TEST_ROUNDS", 12);
  int tactics = 0;
  std::string refusal;
  for (uint64_t seed = first; seed < first + rounds; ++seed) {
    Random random(seed);
    const ir::Graph graph = testing::random_step(random, step.kind, step.precision);
    const Conformance result = testing::run_conformance(backend, graph, testing::random_inputs(random, graph),
                                                        static_cast<int>(random.integer(1, 2)), "step");
    tactics += result.tactics;
    for (const std::string& reason : result.refusals) refusal = reason;
    for (const std::string& failure : result.failures) {
      ADD_FAILURE() << "seed " << seed << ": " << failure << "\n" << ir::print(graph, ir::PrintMode::Dump);
    }
  }
  if (tactics == 0) GTEST_SKIP() << "refused: " << refusal;
}

INSTANTIATE_TEST_SUITE_P(All, Steps, ::testing::ValuesIn(step_cases()), [](const auto& info) {
  return info.param.backend + "_" + info.param.kind +
         (info.param.precision == StepPrecision::Int8 ? "_int8" : "_float");
});

TEST(Networks, AgreeStepByStep) {
  for (uint64_t seed = 1; seed <= environment("TFE_TEST_ROUNDS", 5); ++seed) {
    Random random(seed);
    const ir::Graph graph = testing::random_network(random);
    const auto inputs = testing::random_inputs(random, graph);
    const Conformance result = testing::run_conformance(*backends_by_name("onednn").front(), graph, inputs);
    for (const std::string& failure : result.failures) ADD_FAILURE() << "seed " << seed << ": " << failure;
  }
}

}  // namespace
}  // namespace tfengine
