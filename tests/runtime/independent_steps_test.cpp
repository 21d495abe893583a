// SPDX-License-Identifier: Apache-2.0
#include "runtime/independent_steps.h"

#include <gtest/gtest.h>

namespace tfengine::runtime {
namespace {

using Sizes = std::vector<size_t>;

// Tensors of ten bytes by their numbers.
std::byte arena[1000];
MemoryRange tensor(int number) { return {arena + 10 * number, 10}; }
StepMemory step(std::vector<int> reads, std::vector<int> writes) {
  StepMemory memory;
  for (const int number : reads) memory.reads.push_back(tensor(number));
  for (const int number : writes) memory.writes.push_back(tensor(number));
  return memory;
}

TEST(IndependentSteps, ReadersOfOneTensorFormAGroup) {
  const std::vector<StepMemory> steps = {step({}, {0}), step({0}, {1}), step({0}, {2}), step({0}, {3}),
                                         step({1, 2, 3}, {4})};
  EXPECT_EQ(independent_groups(steps, 4), (Sizes{1, 3, 1}));
  EXPECT_EQ(independent_groups(steps, 2), (Sizes{1, 2, 1, 1}));
  EXPECT_EQ(independent_groups({}, 4), Sizes{});
}

TEST(IndependentSteps, WhatOneReadsOrWritesNoOtherWrites) {
  EXPECT_EQ(independent_groups(std::vector{step({0}, {1}), step({1}, {2})}, 4), (Sizes{1, 1}));  // a result
  EXPECT_EQ(independent_groups(std::vector{step({0}, {1}), step({2}, {0})}, 4), (Sizes{1, 1}));  // an operand's memory
  EXPECT_EQ(independent_groups(std::vector{step({0}, {2}), step({1}, {2})}, 4), (Sizes{1, 1}));  // the same result
  // The first and the third step, with one between them that has nothing to do with either.
  EXPECT_EQ(independent_groups(std::vector{step({0}, {1}), step({2}, {3}), step({1}, {4})}, 4), (Sizes{2, 1}));
}

TEST(IndependentSteps, PartsCount) {
  StepMemory upper;
  upper.writes = {{arena + 15, 10}};
  EXPECT_EQ(independent_groups(std::vector{step({1}, {5}), upper}, 4), (Sizes{1, 1}));
  upper.writes = {{arena + 20, 0}};  // empty
  EXPECT_EQ(independent_groups(std::vector{step({2}, {5}), upper}, 4), Sizes{2});
}

TEST(IndependentSteps, StepsWithAWorkspaceRunAlone) {
  std::vector<StepMemory> steps = {step({0}, {1}), step({0}, {2}), step({0}, {3})};
  steps[1].alone = true;
  EXPECT_EQ(independent_groups(steps, 4), (Sizes{1, 1, 1}));
}

}  // namespace
}  // namespace tfengine::runtime
