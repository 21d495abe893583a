// SPDX-License-Identifier: Apache-2.0
// Orders of steps against all orders there are, on graphs small enough for that.
#include "plan/step_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "support/random.h"

namespace tfengine::plan {
namespace {

using tfengine::testing::Random;

void expect_allowed(const OrderProblem& problem, const std::vector<int>& order) {
  ASSERT_EQ(order.size(), problem.steps.size());
  std::vector<bool> done(order.size(), false);
  for (const int step : order) {
    ASSERT_FALSE(done[static_cast<size_t>(step)]);
    for (const int earlier : problem.steps[static_cast<size_t>(step)].after)
      ASSERT_TRUE(done[static_cast<size_t>(earlier)]);
    done[static_cast<size_t>(step)] = true;
  }
}

// The least peak of all allowed orders.
uint64_t least_peak(const OrderProblem& problem) {
  uint64_t least = UINT64_MAX;
  std::vector<int> order;
  std::vector<bool> done(problem.steps.size(), false);
  const std::function<void()> extend = [&] {
    if (order.size() == done.size()) {
      least = std::min(least, peak_of_order(problem, order));
      return;
    }
    for (size_t step = 0; step < done.size(); ++step) {
      const auto& after = problem.steps[step].after;
      const bool ready =
          std::all_of(after.begin(), after.end(), [&](int earlier) { return done[static_cast<size_t>(earlier)]; });
      if (done[step] || !ready) continue;
      done[step] = true;
      order.push_back(static_cast<int>(step));
      extend();
      order.pop_back();
      done[step] = false;
    }
  };
  extend();
  return least;
}

// Each step makes a block of its own, and sometimes shares one (a concatenation) or may overwrite what it reads.
OrderProblem random_problem(Random& random, int count) {
  OrderProblem problem;
  std::vector<int> made;
  for (int step = 0; step < count; ++step) {
    OrderStep what;
    const int operands = step == 0 ? 0 : static_cast<int>(random.integer(0, 2));
    for (int i = 0; i < operands; ++i) {
      const int from = static_cast<int>(random.integer(std::max(0, step - 4), step - 1));
      if (std::find(what.after.begin(), what.after.end(), from) != what.after.end()) continue;
      what.after.push_back(from);
      const int block = made[static_cast<size_t>(from)];
      if (std::find(what.blocks.begin(), what.blocks.end(), block) == what.blocks.end()) what.blocks.push_back(block);
    }
    int own = static_cast<int>(problem.block_bytes.size());
    if (step > 0 && random.chance(0.15)) {
      own = made[static_cast<size_t>(random.integer(0, step - 1))];
    } else {
      const bool same = !what.blocks.empty() && random.chance(0.4);
      problem.block_bytes.push_back(same ? problem.block_bytes[static_cast<size_t>(what.blocks[0])]
                                         : static_cast<uint64_t>(random.integer(0, 9)) * 64);
      if (same) what.overwrites.push_back({what.blocks[0], own});
    }
    if (std::find(what.blocks.begin(), what.blocks.end(), own) == what.blocks.end()) what.blocks.push_back(own);
    made.push_back(own);
    problem.steps.push_back(std::move(what));
  }
  return problem;
}

TEST(StepOrder, NothingToOrder) {
  const StepOrder found = find_step_order({});
  EXPECT_TRUE(found.order.empty());
  EXPECT_EQ(found.peak_bytes, 0u);
}

TEST(StepOrder, AChainStaysAsItIs) {
  const OrderProblem chain{{64, 128, 64}, {{{}, {0}, {}}, {{0}, {0, 1}, {}}, {{1}, {1, 2}, {}}}};
  const StepOrder found = find_step_order(chain);
  EXPECT_EQ(found.order, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(found.peak_bytes, 192u);
  EXPECT_TRUE(found.exact);
}

// Two branches that shrink, with all wide steps first in their own order: finishing one before the other halves the peak.
TEST(StepOrder, OneBranchAfterTheOther) {
  const OrderProblem branches{{10, 1000, 1000, 10, 10, 10},
                              {{{}, {0}, {}},
                               {{0}, {0, 1}, {}},
                               {{0}, {0, 2}, {}},
                               {{1}, {1, 3}, {}},
                               {{2}, {2, 4}, {}},
                               {{3, 4}, {3, 4, 5}, {}}}};
  const StepOrder found = find_step_order(branches);
  expect_allowed(branches, found.order);
  EXPECT_EQ(found.own_peak_bytes, 2010u);
  EXPECT_EQ(found.peak_bytes, 1020u);
  EXPECT_TRUE(found.exact);
}

TEST(StepOrder, AnOverwrittenOperandCountsOnce) {
  const OrderProblem problem{{100, 100, 100}, {{{}, {0}, {}}, {{0}, {0, 1}, {{0, 1}}}, {{1}, {1, 2}, {{1, 2}}}}};
  EXPECT_EQ(peak_of_order(problem, {0, 1, 2}), 100u);
  // Read once more behind it, it has to stay.
  OrderProblem kept = problem;
  kept.steps[2].blocks.push_back(0);
  EXPECT_EQ(peak_of_order(kept, {0, 1, 2}), 200u);
}

TEST(StepOrder, IsTheBestOfAll) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  int better = 0;
  for (int round = 0; round < 300; ++round) {
    const OrderProblem problem = random_problem(random, static_cast<int>(random.integer(2, 8)));
    const StepOrder found = find_step_order(problem, 4096);
    expect_allowed(problem, found.order);
    ASSERT_TRUE(found.exact);
    ASSERT_EQ(found.peak_bytes, peak_of_order(problem, found.order));
    ASSERT_EQ(found.peak_bytes, least_peak(problem)) << "round " << round;
    ASSERT_LE(found.bound_bytes, found.peak_bytes);
    better += found.peak_bytes < found.own_peak_bytes ? 1 : 0;
  }
  EXPECT_GT(better, 10);
}

// With few sets kept the order is allowed and no worse than the steps' own.
TEST(StepOrder, CutShortItIsNoWorse) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  for (int round = 0; round < 20; ++round) {
    const OrderProblem problem = random_problem(random, 40);
    const StepOrder few = find_step_order(problem, 2), many = find_step_order(problem, 512);
    expect_allowed(problem, few.order);
    expect_allowed(problem, many.order);
    EXPECT_LE(few.peak_bytes, few.own_peak_bytes);
    EXPECT_LE(many.peak_bytes, many.own_peak_bytes);
    EXPECT_LE(many.bound_bytes, few.peak_bytes);
    EXPECT_LE(few.bound_bytes, many.peak_bytes);
    EXPECT_EQ(many.order, find_step_order(problem, 512).order);
  }
}

}  // namespace
}  // namespace tfengine::plan
