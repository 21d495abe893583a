// SPDX-License-Identifier: Apache-2.0
// The workspace: limits that tactics are chosen under, what they cost, and blocks that are kept, taken for a run, or shared.
#include "tfengine/workspace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "support/digits.h"
#include "support/graph_def_builder.h"
#include "support/memory_testing.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

using testing::TrappingAllocator;

constexpr int64_t kSide = 24, kChannels = 32;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kLimits[] = {0, 64 * 1024, kMiB, 64 * kMiB, 1024 * kMiB};

// 3x3 convolutions, which have tactics with and without a workspace.
Model convolutions() {
  testing::GraphDefBuilder graph;
  std::string last = graph.placeholder("x", {-1, kSide, kSide, kChannels});
  for (int i = 0; i < 3; ++i) last = graph.conv("conv" + std::to_string(i), last, kChannels, kChannels);
  return Model::from_graph_def(graph.bytes(), nullptr, {}, "convolutions");
}

NamedTensor image(int64_t batch = 1) {
  Tensor tensor(DType::F32, {batch, kSide, kSide, kChannels});
  for (int64_t i = 0; i < tensor.elements(); ++i) tensor.mutable_as<float>()[i] = static_cast<float>(i % 23) / 23.0f;
  return {"", tensor};
}

std::vector<float> values(const Engine& engine, int64_t batch = 1) {
  const Tensor out = engine.run({image(batch)}).at(0).tensor;
  return {out.as<float>(), out.as<float>() + out.elements()};
}

Engine engine_with(const EngineOptions& options) {
  static const Model model = convolutions();
  ConvertOptions convert_options;
  convert_options.engine = options;
  convert_options.engine.threads = 1;
  return convert(model, convert_options);
}

EngineOptions limited(uint64_t limit_bytes, bool time_tactics = true) {
  EngineOptions options;
  options.max_workspace_size_bytes = limit_bytes;
  options.time_tactics = time_tactics;
  return options;
}

using Named = std::pair<std::string, std::string>;  // step, tactic
std::set<Named> rejected_by(const MemoryDetails& details) {
  std::set<Named> names;
  for (const RejectedTacticMemory& tactic : details.rejected) names.emplace(tactic.step, tactic.tactic);
  return names;
}

void expect_near(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  float largest = 0.0f;
  for (const float value : want) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-4f * largest) << i;
}

TEST(Workspace, LimitsHoldAndMoreOfItLetsMoreIn) {
  EngineOptions plain;
  plain.backend = "reference";
  const std::vector<float> want = values(engine_with(plain));
  std::set<Named> earlier;
  uint64_t most = 0;
  for (const uint64_t limit : kLimits) {
    TrappingAllocator memory;
    EngineOptions options = limited(limit);
    options.allocator = &memory;
    const Engine engine = engine_with(options);
    expect_near(values(engine), want);
    const MemoryDetails details = engine.memory_details();
    uint64_t largest = 0;
    for (const StepMemory& step : details.steps) largest = std::max(largest, step.workspace_bytes);
    EXPECT_EQ(details.report.workspace_bytes, largest);
    EXPECT_EQ(details.allocated.peak_bytes[static_cast<size_t>(Purpose::Workspace)], largest);
    EXPECT_LE(largest, limit);
    most = std::max(most, largest);
    const std::set<Named> rejected = rejected_by(details);
    for (const RejectedTacticMemory& tactic : details.rejected) EXPECT_GT(tactic.workspace_bytes, limit);
    EXPECT_TRUE(limit == 0 || std::includes(earlier.begin(), earlier.end(), rejected.begin(), rejected.end()));
    earlier = rejected;
  }
  EXPECT_TRUE(earlier.empty());
}

// With nothing timed the first eligible tactic is taken: workspaces grow with the limit for certain.
TEST(Workspace, ZeroIsAlwaysEnough) {
  const Engine none = engine_with(limited(0, false)), all = engine_with(limited(1024 * kMiB, false));
  EXPECT_EQ(none.memory().workspace_bytes, 0u);
  expect_near(values(none), values(all));
  EXPECT_FALSE(none.memory_details().rejected.empty());
}

TEST(Workspace, RejectedTacticsSayWhatTheyWouldHaveGained) {
  const MemoryDetails details = engine_with(limited(0)).memory_details();
  ASSERT_FALSE(details.rejected.empty());
  std::map<std::string, double> best;
  for (const RejectedTacticMemory& tactic : details.rejected) {
    EXPECT_TRUE(tactic.timed) << tactic.tactic;
    best[tactic.step] = std::max(best[tactic.step], tactic.gain_us);
  }
  // The advice, where there is a gain to speak of, is the value that lets all of it in.
  const auto advice = std::find_if(details.advice.rbegin(), details.advice.rend(),
                                   [](const MemoryAdvice& row) { return row.setting == "max_workspace_size_bytes"; });
  const bool gains = std::any_of(best.begin(), best.end(), [](const auto& row) { return row.second >= 1.0; });
  ASSERT_EQ(advice != details.advice.rend(), gains);
  if (!gains) return;
  EXPECT_EQ(advice->text.find("raise max_workspace_size_bytes to " + std::to_string(advice->value)), 0u);
}

TEST(Workspace, UntimedOnesAreListedAsSuch) {
  const MemoryDetails details = engine_with(limited(0, false)).memory_details();
  ASSERT_FALSE(details.rejected.empty());
  uint64_t most = 0;
  for (const RejectedTacticMemory& tactic : details.rejected) {
    EXPECT_FALSE(tactic.timed);
    most = std::max(most, tactic.workspace_bytes);
  }
  EXPECT_EQ(details.advice.front().setting, "max_workspace_size_bytes");
  EXPECT_EQ(details.advice.front().value, most);
}

// The file remembers what the limit kept out, and a larger limit takes it without timing anything, the usual one too when it
// is asked for. No limit is no wish for more than the engine was made with.
TEST(Workspace, AnEngineFileTakesTheAdvice) {
  const testing::EngineBytes bytes(engine_with(limited(0)));
  const MemoryDetails before = bytes.load(limited(0)).memory_details();
  ASSERT_FALSE(before.rejected.empty());
  std::map<std::string, RejectedTacticMemory> best;
  for (const RejectedTacticMemory& tactic : before.rejected) {
    if (tactic.gain_us > std::max(0.0, best[tactic.step].gain_us)) best[tactic.step] = tactic;
  }
  EXPECT_EQ(bytes.load({}).memory().workspace_bytes, 0u);
  const Engine raised = bytes.load(limited(kDefaultMaxWorkspaceSizeBytes, false));
  const MemoryDetails after = raised.memory_details();
  EXPECT_TRUE(after.rejected.empty());
  for (const StepMemory& step : after.steps) {
    const RejectedTacticMemory& wanted = best[step.name];
    EXPECT_TRUE(wanted.gain_us <= 0.0 || step.tactic == wanted.tactic) << step.name;
  }
  expect_near(values(raised), values(bytes.load(limited(0))));
}

EngineOptions with_workspace() { return limited(1024 * kMiB, false); }

TEST(Workspace, WhileRunningItIsTakenAndGivenBack) {
  TrappingAllocator memory;
  EngineOptions options = with_workspace();
  options.allocator = &memory;
  options.workspace = WorkspaceUse::WhileRunning;
  const Engine engine = engine_with(options);
  const std::vector<float> want = values(engine_with(with_workspace()));
  for (int run = 0; run < 3; ++run) EXPECT_EQ(values(engine), want);
  const MemoryDetails details = engine.memory_details();
  ASSERT_GT(details.report.workspace_bytes, 0u);
  EXPECT_EQ(memory.bytes_in_use(), details.report.weights_bytes + details.report.activation_bytes);
  EXPECT_EQ(memory.peak_bytes(), details.report.peak_bytes);
}

TEST(Workspace, SharedByEnginesItIsTheLargestAndNotTheSum) {
  TrappingAllocator memory;
  const auto shared = std::make_shared<SharedWorkspace>(1024 * kMiB, WorkspaceUse::Kept, &memory);
  EngineOptions options = with_workspace();
  options.allocator = &memory;
  options.shared_workspace = shared;
  const Engine first = engine_with(options), second = engine_with(options);
  const std::vector<float> one = values(engine_with(with_workspace())), four = values(engine_with(with_workspace()), 4);
  EXPECT_EQ(values(first), one);
  const uint64_t small = first.memory().workspace_bytes;
  EXPECT_EQ(shared->bytes(), small);
  EXPECT_EQ(values(second, 4), four);
  const uint64_t large = second.memory().workspace_bytes;
  EXPECT_EQ(shared->bytes(), std::max(small, large));
  // It grew and moved: who was bound to the old block follows.
  EXPECT_EQ(values(first), one);
  EXPECT_EQ(shared->peak_bytes(), std::max(small, large));
  const uint64_t engines = first.memory_details().cached_bytes + second.memory_details().cached_bytes;
  EXPECT_EQ(memory.bytes_in_use(), engines + shared->bytes());
  shared->release();
  EXPECT_EQ(shared->bytes(), 0u);
  EXPECT_EQ(values(second, 4), four);
}

TEST(Workspace, SharedByThreadsTheirRunsTakeTurns) {
  const auto shared = std::make_shared<SharedWorkspace>();
  EngineOptions options = with_workspace();
  options.shared_workspace = shared;
  const Engine first = engine_with(options), second = engine_with(options);
  const std::vector<float> one = values(first), two = values(first, 2);
  const auto work = [&](const Engine& engine, int64_t batch, const std::vector<float>& want) {
    for (int run = 0; run < 20; ++run) ASSERT_EQ(values(engine, batch), want);
  };
  std::thread a([&] { work(first, 1, one); });
  std::thread b([&] { work(second, 2, two); });
  work(second, 1, one);
  a.join();
  b.join();
}

TEST(Workspace, TheSharedOnesLimitIsEachEngines) {
  EngineOptions options = with_workspace();
  options.shared_workspace = std::make_shared<SharedWorkspace>(0);
  const Engine engine = engine_with(options);
  EXPECT_EQ(engine.memory().workspace_bytes, 0u);
  EXPECT_FALSE(engine.memory_details().rejected.empty());
}

}  // namespace
}  // namespace tfengine
