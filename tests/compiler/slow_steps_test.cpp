// SPDX-License-Identifier: Apache-2.0
// Which nodes stay in the wider type, by times that the test makes up.
#include "compiler/slow_steps.h"

#include <gtest/gtest.h>

namespace tfengine::detail {
namespace {

using Names = std::set<std::string>;

// Nodes that cost `wide` and `narrow`; each change of type between neighbours of the chain costs `border`, which the narrow
// one of the two pays.
struct Chain {
  std::vector<std::string> nodes;
  std::map<std::string, double> wide, narrow;
  double border = 0.0;

  StepTimes all_wide() const {
    StepTimes times;
    for (const std::string& node : nodes) add(times, node, wide.at(node));
    return times;
  }
  StepTimes with(const Names& slow) const {
    StepTimes times;
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (slow.count(nodes[i]) > 0) {
        add(times, nodes[i], wide.at(nodes[i]));
        continue;
      }
      double us = narrow.at(nodes[i]);
      if (i == 0 || slow.count(nodes[i - 1]) > 0) us += border;
      add(times, nodes[i], us);
    }
    return times;
  }
  static void add(StepTimes& times, const std::string& node, double us) {
    times.total_us += us;
    times.by_node[node] += us;
  }
  SlowNodes find(const SlowRule& rule) const {
    return slow_nodes(
        all_wide(), [&](const Names& slow) { return with(slow); }, rule);
  }
};

constexpr SlowRule kStrict{1.0, 0.0, 1.0};

TEST(SlowNodes, AreThoseThatTakeLonger) {
  const Chain chain{{"a", "b", "c"}, {{"a", 10}, {"b", 10}, {"c", 10}}, {{"a", 5}, {"b", 20}, {"c", 5}}};
  const SlowNodes found = chain.find(kStrict);
  EXPECT_EQ(found.names, Names{"b"});
  EXPECT_EQ(found.wide_us, 30.0);
  EXPECT_EQ(found.narrow.total_us, 20.0);
}

TEST(SlowNodes, ABorderThatMovesIsLookedAtAgain) {
  // With b wide, c has to convert for itself, and does not pay any more.
  const Chain chain{{"a", "b", "c"}, {{"a", 10}, {"b", 10}, {"c", 10}}, {{"a", 2}, {"b", 30}, {"c", 8}}, 4.0};
  const SlowNodes found = chain.find(kStrict);
  EXPECT_EQ(found.names, (Names{"b", "c"}));
  EXPECT_EQ(found.narrow.total_us, 26.0);
}

TEST(SlowNodes, NothingIsChangedThatTheWholeDoesNotGainBy) {
  // Alone, b would be faster wide; its neighbour then pays more than that.
  const Chain chain{{"a", "b", "c"}, {{"a", 100}, {"b", 10}, {"c", 100}}, {{"a", 10}, {"b", 12}, {"c", 10}}, 5.0};
  EXPECT_TRUE(chain.find(kStrict).names.empty());
  const Chain close{{"a", "b"}, {{"a", 100}, {"b", 10}}, {{"a", 50}, {"b", 12}}};
  EXPECT_EQ(close.find(kStrict).names, Names{"b"});
  EXPECT_TRUE(close.find({1.0, 0.0, 0.93}).names.empty());  // 60 of 62 us is no clear gain
}

TEST(SlowNodes, TheNoiseOfMeasurementDecidesNothing) {
  const Chain chain{{"a", "b"}, {{"a", 100}, {"b", 1}}, {{"a", 110}, {"b", 2.5}}};
  EXPECT_TRUE(chain.find({1.15, 2.0, 1.0}).names.empty());
  EXPECT_EQ(chain.find(kStrict).names, (Names{"a", "b"}));
  const Chain equal{{"a"}, {{"a", 100}}, {{"a", 98}}};
  EXPECT_EQ(equal.find({0.95, 0.0, 1.1}).names, Names{"a"});  // has to be clearly faster
}

TEST(SlowNodes, WhatOnlyOneSideHasCountsForNoNode) {
  const SlowNodes found = slow_nodes(
      {10.0, {{"a", 10.0}}},
      [](const Names&) {
        return StepTimes{50.0, {{"a", 5.0}, {"a/int8", 45.0}}};
      },
      kStrict);
  EXPECT_TRUE(found.names.empty());
  EXPECT_EQ(found.narrow.total_us, 50.0);
}

}  // namespace
}  // namespace tfengine::detail
