// SPDX-License-Identifier: Apache-2.0
// Runners use all cores and never more, whoever asks.
#include "plugin/runners.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>

namespace tfengine::plugin {
namespace {

using namespace std::chrono_literals;

// Runs `tasks` tasks of `threads` threads each and returns the largest number of cores in use at once.
int most_cores_at_once(Runners& runners, int tasks, int threads) {
  std::atomic<int> now = 0, most = 0, done = 0;
  for (int i = 0; i < tasks; ++i) {
    runners.run(threads, [&] {
      const int mine = now += threads;
      int seen = most;
      while (mine > seen && !most.compare_exchange_weak(seen, mine)) {
      }
      std::this_thread::sleep_for(2ms);
      now -= threads;
      ++done;
    });
  }
  while (done < tasks) std::this_thread::sleep_for(1ms);
  return most;
}

TEST(Runners, NeverUseMoreCoresThanThereAre) {
  for (const int threads : {1, 2, 3, 4}) {
    Runners runners(4);
    const int most = most_cores_at_once(runners, 24, threads);
    EXPECT_LE(most, 4);
    EXPECT_EQ(most, 4 / threads * threads) << threads;
    EXPECT_LE(runners.size(), 4);
  }
}

TEST(Runners, TasksThatWantMoreThanThereIsGetAll) {
  Runners runners(2);
  std::atomic<bool> ran = false;
  runners.run(16, [&] { ran = true; });
  while (!ran) std::this_thread::sleep_for(1ms);
}

TEST(Runners, StartInTheOrderGiven) {
  Runners runners(1);
  std::mutex mutex;
  std::vector<int> order;
  std::atomic<int> done = 0;
  for (int i = 0; i < 20; ++i) {
    runners.run(1, [&, i] {
      const std::lock_guard lock(mutex);
      order.push_back(i);
      ++done;
    });
  }
  while (done < 20) std::this_thread::sleep_for(1ms);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

// An engine that takes all cores runs on one thread, call after call: its OpenMP team is made once.
TEST(Runners, OneThreadIsEnoughForWideTasks) {
  Runners runners(4);
  most_cores_at_once(runners, 10, 4);
  EXPECT_EQ(runners.size(), 1);
}

TEST(Runners, AWideTaskIsNotOvertakenForever) {
  Runners runners(2);
  std::atomic<int> narrow = 0;
  std::atomic<int> narrow_before_wide = -1;
  for (int i = 0; i < 4; ++i) {
    runners.run(1, [&] {
      std::this_thread::sleep_for(1ms);
      ++narrow;
    });
  }
  runners.run(2, [&] { narrow_before_wide = narrow.load(); });
  for (int i = 0; i < 4; ++i) runners.run(1, [&] { ++narrow; });
  while (narrow < 8) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(narrow_before_wide, 4);
}

TEST(Runners, EndWaitsForTasks) {
  std::atomic<int> done = 0;
  {
    Runners runners(2);
    for (int i = 0; i < 10; ++i) {
      runners.run(1, [&] {
        std::this_thread::sleep_for(1ms);
        ++done;
      });
    }
  }
  EXPECT_EQ(done, 10);
}

TEST(Runners, ProcessWideOnesExist) {
  EXPECT_GE(Runners::engines().cores(), 1);
  EXPECT_EQ(Runners::builds().cores(), 1);
  EXPECT_EQ(&Runners::engines(), &Runners::engines());
}

}  // namespace
}  // namespace tfengine::plugin
