// SPDX-License-Identifier: Apache-2.0
// Every tactic of every kind of step on the GPU against the oracle, on random shapes. A failure prints the seed;
// TFE_TEST_SEED=N runs that one seed, TFE_TEST_ROUNDS=N more of them.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "backends/list.h"
#include "base/mapped_file.h"
#include "compiler/to_signed.h"
#include "ir/printer.h"
#include "passes/specialize.h"
#include "plan/image.h"
#include "support/conformance.h"
#include "support/random.h"
#include "tfengine/data.h"
#include "tfengine/gpu.h"

namespace tfengine {
namespace {

using testing::environment;
using testing::Random;
using testing::StepPrecision;

struct StepCase {
  std::string kind;
  StepPrecision precision;
};

std::vector<StepCase> step_cases() {
  std::vector<StepCase> cases;
  for (const StepPrecision precision : {StepPrecision::Float, StepPrecision::Int8}) {
    for (const std::string& kind : testing::step_kinds(precision)) cases.push_back({kind, precision});
  }
  return cases;
}

class CudaSteps : public ::testing::TestWithParam<StepCase> {};

TEST_P(CudaSteps, AgreeWithTheOracle) {
  if (!gpu_absence().empty()) GTEST_SKIP() << gpu_absence();
  const StepCase& step = GetParam();
  const plan::Backend& backend = *backends_for("cuda", "").front();
  const uint64_t first = environment("TFE_TEST_SEED", 1);
  const uint64_t rounds = std::getenv("TFE_TEST_SEED") != nullptr ? 1 : environment("TFE_TEST_ROUNDS", 4);
  int tactics = 0;
  std::string refusal;
  for (uint64_t seed = first; seed < first + rounds; ++seed) {
    Random random(seed);
    ir::Graph graph = testing::random_step(random, step.kind, step.precision);
    const std::vector<Tensor> inputs = testing::random_inputs(random, graph);
    detail::to_signed(graph);
    const testing::Conformance result = testing::run_conformance(backend, graph, inputs);
    backend.planned();
    tactics += result.tactics;
    for (const std::string& reason : result.refusals) refusal = reason;
    for (const std::string& failure : result.failures) {
      ADD_FAILURE() << "seed " << seed << ": " << failure << "\n" << ir::print(graph, ir::PrintMode::Dump);
    }
  }
  RecordProperty("tactics", tactics);
  if (tactics == 0) GTEST_SKIP() << "refused: " << refusal;
}

// TFE_TEST_ENGINE=FILE.tfe, TFE_TEST_INPUT=FILE.npy: every step of that engine, fed with the oracle's tensors.
TEST(CudaNetwork, AgreesStepByStep) {
  if (!gpu_absence().empty()) GTEST_SKIP() << gpu_absence();
  const char *path = std::getenv("TFE_TEST_ENGINE"), *input = std::getenv("TFE_TEST_INPUT");
  if (path == nullptr || input == nullptr) GTEST_SKIP() << "TFE_TEST_ENGINE and TFE_TEST_INPUT name no files";
  const auto file = MappedFile::open(path);
  plan::EngineImage image =
      plan::read_image(path, reinterpret_cast<const std::byte*>(file->text().data()), file->text().size(), file);
  detail::to_signed(image.graph);
  DataOptions options;
  options.batch_size = 1;
  Batch batch;
  ASSERT_TRUE(open_data(input, options)->next(batch));
  const std::vector<Shape> shapes = {batch[0].tensor.shape()};
  const testing::Conformance result = testing::run_conformance(
      *backends_for("cuda", "").front(), passes::specialize(image.graph, shapes), {batch[0].tensor}, 1, "", false);
  for (const std::string& refusal : result.refusals) std::printf("refused: %s\n", refusal.c_str());
  for (const std::string& failure : result.failures) ADD_FAILURE() << failure;
  std::printf("%d tactics ran\n", result.tactics);
}

INSTANTIATE_TEST_SUITE_P(All, CudaSteps, ::testing::ValuesIn(step_cases()), [](const auto& info) {
  return info.param.kind + (info.param.precision == StepPrecision::Int8 ? "_int8" : "_float");
});

}  // namespace
}  // namespace tfengine
