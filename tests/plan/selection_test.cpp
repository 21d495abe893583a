// SPDX-License-Identifier: Apache-2.0
// Choices of tactics against all choices there are, with times and bytes that the test makes up.
#include "plan/selection.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "support/random.h"

namespace tfengine::plan {
namespace {

using tfengine::testing::Random;

std::vector<StepOptions> random_steps(Random& random) {
  std::vector<StepOptions> steps(static_cast<size_t>(random.integer(1, 6)));
  for (StepOptions& step : steps) {
    step.options.resize(static_cast<size_t>(random.integer(1, 4)));
    for (StepOption& option : step.options) {
      option.time_us = static_cast<double>(random.integer(1, 20));
      option.workspace_bytes = static_cast<uint64_t>(random.integer(0, 4)) * 100;
      option.weights_bytes = static_cast<uint64_t>(random.integer(0, 9)) * 50;
    }
    step.options[0].workspace_bytes = 0;
  }
  return steps;
}

Selection with_choice(const std::vector<StepOptions>& steps, const std::vector<int>& choice) {
  Selection selection;
  selection.choice = choice;
  for (size_t i = 0; i < steps.size(); ++i) {
    const StepOption& option = steps[i].options[static_cast<size_t>(choice[i])];
    selection.time_us += option.time_us;
    selection.weights_bytes += option.weights_bytes;
    selection.workspace_bytes = std::max(selection.workspace_bytes, option.workspace_bytes);
  }
  return selection;
}

void for_each_choice(const std::vector<StepOptions>& steps, const std::function<void(const Selection&)>& use) {
  std::vector<int> choice(steps.size(), 0);
  while (true) {
    use(with_choice(steps, choice));
    size_t step = 0;
    while (step < steps.size() && ++choice[step] == static_cast<int>(steps[step].options.size())) choice[step++] = 0;
    if (step == steps.size()) return;
  }
}

double fastest_within(const std::vector<StepOptions>& steps, uint64_t bytes) {
  double best = 1e300;
  for_each_choice(steps, [&](const Selection& each) {
    if (each.bytes() <= bytes) best = std::min(best, each.time_us);
  });
  return best;
}

TEST(Selection, IsTheFastestWithinEveryNumberOfBytes) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  for (int round = 0; round < 200; ++round) {
    const std::vector<StepOptions> steps = random_steps(random);
    const std::vector<Selection> front = best_selections(steps);
    ASSERT_FALSE(front.empty());
    for (size_t i = 0; i < front.size(); ++i) {
      const Selection again = with_choice(steps, front[i].choice);
      ASSERT_EQ(front[i].time_us, again.time_us);
      ASSERT_EQ(front[i].bytes(), again.bytes());
      ASSERT_EQ(front[i].time_us, fastest_within(steps, front[i].bytes()));
      // One byte less, and only the next one fits.
      const double next = i + 1 < front.size() ? front[i + 1].time_us : 1e300;
      ASSERT_EQ(front[i].bytes() == 0 ? 1e300 : fastest_within(steps, front[i].bytes() - 1), next);
    }
    ASSERT_EQ(front[0].time_us, fastest_within(steps, UINT64_MAX));
  }
}

TEST(Selection, ThinnedKeepsBothEnds) {
  std::vector<StepOptions> steps(12);
  for (size_t i = 0; i < steps.size(); ++i) {
    steps[i].options = {{"b", "fast", 1.0, 0, uint64_t{1} << i}, {"b", "small", 2.0 + static_cast<double>(i), 0, 0}};
  }
  const std::vector<Selection> all = best_selections(steps, 1 << 13), few = best_selections(steps, 16);
  EXPECT_GT(all.size(), 50u);
  EXPECT_LE(few.size(), 20u);
  EXPECT_EQ(few.front().time_us, all.front().time_us);
  EXPECT_EQ(few.back().bytes(), 0u);
}

TEST(Selection, FastestWithinAWorkspace) {
  const std::vector<StepOptions> steps = {{"a", {{"b", "x", 1.0, 100, 5}, {"b", "y", 3.0, 0, 1}}},
                                          {"c", {{"b", "z", 2.0, 50, 7}}}};
  EXPECT_FALSE(fastest_selection(steps, 49).has_value());
  EXPECT_EQ(fastest_selection(steps, 50)->time_us, 5.0);
  const auto plenty = fastest_selection(steps, 1000);
  EXPECT_EQ(plenty->time_us, 3.0);
  EXPECT_EQ(plenty->workspace_bytes, 100u);
  EXPECT_EQ(plenty->weights_bytes, 12u);
  EXPECT_EQ(plenty->choice, (std::vector<int>{0, 0}));
}

TEST(Selection, WhatIsBeatenInEverythingIsDropped) {
  StepOptions step{"a",
                   {{"b", "slow", 3.0, 10, 10},
                    {"b", "good", 2.0, 10, 10},
                    {"b", "equal", 2.0, 10, 10},
                    {"b", "small", 9.0, 0, 10},
                    {"b", "light", 9.0, 10, 0}}};
  drop_beaten(step);
  std::vector<std::string> left;
  for (const StepOption& option : step.options) left.push_back(option.tactic);
  EXPECT_EQ(left, (std::vector<std::string>{"good", "small", "light"}));
}

}  // namespace
}  // namespace tfengine::plan
