// SPDX-License-Identifier: Apache-2.0
// Memory budgets and sweeps through the public API, on a trained network.
#include "tfengine/tune.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>

#include "support/digits.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

using testing::digits_images;
using testing::digits_model;

ConvertOptions untimed(int64_t batch) {
  ConvertOptions options;
  options.engine.time_tactics = false;
  options.engine.threads = 2;
  options.batch_size = batch;
  return options;
}

// From the message of a budget that is far too small.
uint64_t least_bytes(const ConvertOptions& given) {
  ConvertOptions options = given;
  options.memory_budget_bytes = 1;
  try {
    convert(digits_model(), options);
  } catch (const InvalidArgument& error) {
    const std::string text = error.what();
    std::smatch match;
    if (std::regex_search(text, match, std::regex("expected at least ([0-9]+),"))) return std::stoull(match[1]);
    ADD_FAILURE() << text;
  }
  ADD_FAILURE() << "a budget of one byte was met";
  return 0;
}

void expect_same(const std::vector<NamedTensor>& got, const std::vector<NamedTensor>& want) {
  ASSERT_EQ(got.size(), want.size());
  ASSERT_EQ(got[0].tensor.shape(), want[0].tensor.shape());
  for (int64_t i = 0; i < got[0].tensor.elements(); ++i)
    ASSERT_NEAR(got[0].tensor.as<float>()[i], want[0].tensor.as<float>()[i], 1e-5) << i;
}

TEST(MemoryBudget, PlentyChangesNothing) {
  ConvertOptions options = untimed(4);
  const Engine free = convert(digits_model(), options);
  options.memory_budget_bytes = free.memory().peak_bytes;
  const Engine engine = convert(digits_model(), options);
  EXPECT_EQ(engine.memory().peak_bytes, free.memory().peak_bytes);
  expect_same(engine.run({digits_images(4)}), free.run({digits_images(4)}));
}

TEST(MemoryBudget, TheLeastBytesOfTheMessageAreEnoughAndOneLessIsNot) {
  ConvertOptions options = untimed(16);
  const uint64_t least = least_bytes(options);
  options.memory_budget_bytes = least;
  const Engine engine = convert(digits_model(), options);
  EXPECT_LE(engine.memory().peak_bytes, least);
  expect_same(engine.run({digits_images(16)}), convert(digits_model(), untimed(16)).run({digits_images(16)}));
  options.memory_budget_bytes = least - 1;
  EXPECT_THROW(convert(digits_model(), options), InvalidArgument);
}

class InChunks : public ::testing::Test {
 protected:
  void SetUp() override {
    ConvertOptions options = untimed(16);
    options.memory_budget_bytes = least_bytes(options);
    options.engine.allocator = &memory_;
    engine_.emplace(convert(digits_model(), options));
    whole_.emplace(convert(digits_model(), untimed(16)));
  }
  SystemAllocator memory_;
  std::optional<Engine> engine_, whole_;
};

TEST_F(InChunks, AnyNumberOfSamplesIsRun) {
  ASSERT_LT(engine_->memory().activation_bytes, whole_->memory().activation_bytes / 8);
  for (const int64_t batch : {1, 2, 3, 16, 21}) {
    SCOPED_TRACE(batch);
    expect_same(engine_->run({digits_images(batch)}), whole_->run({digits_images(batch)}));
    EXPECT_EQ(engine_->output_shapes({Shape{batch, 8, 8, 1}}), whole_->output_shapes({Shape{batch, 8, 8, 1}}));
  }
  EXPECT_EQ(engine_->plans().size(), 1u);  // one plan serves them all
  EXPECT_EQ(memory_.stats().total_in_use_bytes, engine_->memory().peak_bytes);
}

TEST_F(InChunks, IntoBuffersOfTheCaller) {
  const std::vector<NamedTensor> want = whole_->run({digits_images(16)});
  Tensor got(DType::F32, want[0].tensor.shape());
  engine_->run_into({digits_images(16)}, {got.mutable_data()});
  expect_same({{"", got}}, want);
}

TEST_F(InChunks, AnEngineFileKeepsThem) {
  const auto path = std::filesystem::temp_directory_path() / ("tune_test_" + std::to_string(getpid()) + ".tfe");
  engine_->save(path);
  const Engine loaded = Engine::load(path);
  std::filesystem::remove(path);
  EXPECT_TRUE(loaded.planned({Shape{16, 8, 8, 1}}));
  expect_same(loaded.run({digits_images(16)}), whole_->run({digits_images(16)}));
  EXPECT_EQ(loaded.memory().peak_bytes, engine_->memory().peak_bytes);
}

TEST_F(InChunks, TheReportSaysWhatWasChosenFrom) {
  const auto report = nlohmann::json::parse(engine_->report_json())["memory_budget"];
  EXPECT_EQ(report["chunk"], 1);
  EXPECT_EQ(report["precision"], "fp32");
  EXPECT_EQ(report["predicted"]["activation_bytes"], engine_->memory().activation_bytes);
  EXPECT_EQ(report["tried"].size(), 5u);  // 16, 8, 4, 2, 1
}

TEST(MemoryBudget, WrongOptions) {
  ConvertOptions options = untimed(1);
  options.memory_budget_bytes = 1 << 30;
  options.allowed_precisions = {"fp8"};
  EXPECT_THROW(convert(digits_model(), options), InvalidArgument);
  options.allowed_precisions = {};
  options.input_shapes = {{Shape{1, 8, 8, 1}}, {Shape{2, 8, 8, 1}}};
  EXPECT_THROW(convert(digits_model(), options), InvalidArgument);
}

TEST(MemorySweep, NeedsTimes) { EXPECT_THROW(memory_sweep(digits_model(), untimed(1)), InvalidArgument); }

TEST(MemorySweep, BothCurvesFall) {
  if (std::getenv("TFENGINE_TIME_TACTICS") != nullptr) GTEST_SKIP() << "times are not taken";
  ConvertOptions options = untimed(4);
  options.engine.time_tactics = true;
  const MemorySweep sweep = memory_sweep(digits_model(), options);
  ASSERT_GE(sweep.by_workspace.size(), 5u);
  for (size_t i = 1; i < sweep.by_workspace.size(); ++i) {
    EXPECT_GT(sweep.by_workspace[i].max_workspace_size_bytes, sweep.by_workspace[i - 1].max_workspace_size_bytes);
    EXPECT_LE(sweep.by_workspace[i].time_us, sweep.by_workspace[i - 1].time_us + 0.1);  // rounded
    EXPECT_LE(sweep.by_workspace[i].workspace_bytes, sweep.by_workspace[i].max_workspace_size_bytes);
  }
  EXPECT_EQ(sweep.by_workspace[0].workspace_bytes, 0u);
  ASSERT_FALSE(sweep.by_total.empty());
  for (size_t i = 1; i < sweep.by_total.size(); ++i) {
    EXPECT_GT(sweep.by_total[i].time_us, sweep.by_total[i - 1].time_us);
    EXPECT_LT(sweep.by_total[i].total_bytes, sweep.by_total[i - 1].total_bytes);
  }
  const auto document = nlohmann::json::parse(sweep.to_json());
  EXPECT_EQ(document["by_total"].size(), sweep.by_total.size());
  const std::string svg = sweep.to_svg();
  EXPECT_NE(svg.find("time by workspace limit"), std::string::npos);
  EXPECT_NE(svg.find("time by total memory"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

}  // namespace
}  // namespace tfengine
