// SPDX-License-Identifier: Apache-2.0
// Every tactic of every kind of step on the GPU against the oracle, on random shapes. A failure prints the seed;
// TFE_TEST_SEED=N runs that one seed, TFE_TEST_ROUNDS=N more of them.
#include <gtest/gtest.h>

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>

#include "backends/list.h"
#include "base/mapped_file.h"
#include "compiler/to_signed.h"
#include "ir/parser.h"
#include "ir/printer.h"
#include "ops/numeric.h"
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

struct AttentionCase {
  int64_t batch, rows, columns, heads, depth, width;
  const char* mask;  // its shape; null: none
};

// Tiles that are full and not, heads of whole pieces and of odd sizes, and masks of every kind. Every fourth column of a mask is
// taken out, and one whole row.
TEST(CudaAttention, AgreesWithTheOracleInHalfPrecision) {
  if (!gpu_absence().empty()) GTEST_SKIP() << gpu_absence();
  const AttentionCase cases[] = {
      {2, 128, 128, 12, 64, 64, "2,1,1,128"}, {1, 1, 1, 1, 1, 1, nullptr},      {1, 65, 130, 2, 64, 24, "1,2,65,130"},
      {2, 70, 63, 3, 40, 128, "1,1,70,63"},   {1, 16, 300, 2, 128, 8, nullptr}, {3, 33, 64, 4, 5, 7, "3,4,1,64"},
      {1, 200, 200, 1, 80, 96, "1,1,1,200"},
  };
  Random random(5);
  for (const AttentionCase& c : cases) {
    const std::string mask = c.mask == nullptr ? "" : fmt::format(", %m: f32[{}]", c.mask);
    ir::Graph graph = ir::parse(
        fmt::format("graph @g(%q: f16[{0},{1},{3},{4}], %k: f16[{0},{2},{3},{4}], %v: f16[{0},{2},{3},{5}]{6}) {{\n"
                    "  %y = Attention(%q, %k, %v{7}) {{scale=0.125}}\n  return %y\n}}",
                    c.batch, c.rows, c.columns, c.heads, c.depth, c.width, mask, c.mask == nullptr ? "" : ", %m"));
    std::vector<Tensor> inputs;
    for (const ir::ValueId id : graph.inputs) {
      Tensor values(DType::F32, graph.value(id).shape);
      const bool masks = inputs.size() == 3;
      for (int64_t i = 0; i < values.elements(); ++i) {
        const bool out = i % 4 == 1 || i < c.columns;
        values.mutable_as<float>()[i] = masks && out ? -3e38f : random.real(-3.0f, 3.0f);
      }
      inputs.push_back(ops::cast_tensor(values, graph.value(id).dtype));
    }
    const testing::Conformance result =
        testing::run_conformance(*backends_for("cuda", "", true).front(), graph, inputs);
    EXPECT_EQ(result.tactics, 1);
    for (const std::string& refusal : result.refusals) ADD_FAILURE() << refusal;
    for (const std::string& failure : result.failures) {
      ADD_FAILURE() << c.rows << " x " << c.columns << ", " << c.depth << ", " << c.width << ": " << failure;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, CudaSteps, ::testing::ValuesIn(step_cases()), [](const auto& info) {
  return info.param.kind + (info.param.precision == StepPrecision::Int8 ? "_int8" : "_float");
});

}  // namespace
}  // namespace tfengine
