// SPDX-License-Identifier: Apache-2.0
#include "runtime/tactic_records.h"

#include <gtest/gtest.h>

namespace tfengine::runtime {
namespace {

plan::PlanRecord record(std::vector<Shape> shapes, const std::string& tactic, int threads = 1) {
  plan::PlanRecord record;
  record.threads = threads;
  record.input_shapes = std::move(shapes);
  record.tactics["conv"] = {"onednn", tactic, 1.0, {}};
  return record;
}

std::string tactic_of(const TacticSource& source) {
  return source.record ? source.record->tactics.at("conv").tactic : "none";
}

TEST(TacticRecords, AreFoundByShapesAndThreads) {
  TacticRecords records;
  records.add(record({{2, 3}}, "a"));
  records.add(record({{4, 3}}, "b", 2));
  EXPECT_EQ(records.find(1, {{2, 3}})->tactics.at("conv").tactic, "a");
  EXPECT_FALSE(records.find(1, {{4, 3}}).has_value());
  EXPECT_FALSE(records.find(2, {{2, 3}}).has_value());
  EXPECT_EQ(records.all().size(), 2u);
}

TEST(TacticRecords, TheOldestAreForgotten) {
  TacticRecords records;
  for (int64_t i = 0; i < 300; ++i) records.add(record({{i}}, "a"));
  EXPECT_FALSE(records.find(1, {{0}}).has_value());
  EXPECT_TRUE(records.find(1, {{299}}).has_value());
}

TEST(TacticRecords, SizesFromDataTakeTheTacticsOfOthersOfTheirMagnitude) {
  TacticRecords records;
  EXPECT_TRUE(records.for_data(1, {{8}, {100, 4}}, 1).measure);  // there are none
  records.add(record({{8}, {100, 4}}, "a"));
  for (const int64_t rows : {25, 60, 100, 399}) {
    const TacticSource source = records.for_data(1, {{8}, {rows, 4}}, 1);
    EXPECT_FALSE(source.measure) << rows;
    EXPECT_EQ(tactic_of(source), "a") << rows;
  }
  EXPECT_TRUE(records.for_data(1, {{8}, {24, 4}}, 1).measure);
  EXPECT_TRUE(records.for_data(1, {{8}, {401, 4}}, 1).measure);
  records.add(record({{8}, {1000, 4}}, "b"));
  EXPECT_EQ(tactic_of(records.for_data(1, {{8}, {401, 4}}, 1)), "b");
}

TEST(TacticRecords, TheGraphsOwnInputsHaveToBeTheSame) {
  TacticRecords records;
  records.add(record({{8}, {100, 4}}, "a"));
  EXPECT_EQ(tactic_of(records.for_data(1, {{9}, {100, 4}}, 1)), "none");
  EXPECT_EQ(tactic_of(records.for_data(2, {{8}, {100, 4}}, 1)), "none");
  EXPECT_EQ(tactic_of(records.for_data(1, {{8}, {100, 4}, {3}}, 1)), "none");  // another stage
}

TEST(TacticRecords, EmptyTensorsAreNotMeasured) {
  TacticRecords records;
  EXPECT_FALSE(records.for_data(1, {{8}, {0, 4}}, 1).measure);
  records.add(record({{8}, {100, 4}}, "a"));
  const TacticSource source = records.for_data(1, {{8}, {0, 4}}, 1);
  EXPECT_FALSE(source.measure);
  EXPECT_EQ(tactic_of(source), "a");
}

// Whatever comes, a run measures a few times and never again.
TEST(TacticRecords, AFewMagnitudesAreMeasured) {
  TacticRecords records;
  int measured = 0;
  for (int64_t rows = 1; rows < int64_t{1} << 40; rows *= 10) {
    const TacticSource source = records.for_data(1, {{rows}}, 0);
    if (!source.measure) continue;
    records.add(record({{rows}}, "a"));
    ++measured;
  }
  EXPECT_EQ(measured, 4);
}

}  // namespace
}  // namespace tfengine::runtime
