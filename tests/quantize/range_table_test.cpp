// SPDX-License-Identifier: Apache-2.0
#include "quantize/range_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ir/parser.h"
#include "quantize/metrics.h"
#include "tfengine/error.h"

namespace tfengine::quantize {
namespace {

using ir::RangeSource;

TEST(RangeTable, TheStrongerSourceWins) {
  RangeTable table;
  table.set("x", {1.0f, RangeSource::Rule, false, "op"});
  table.set("x", {2.0f, RangeSource::Calibrated, false, "mse"});
  EXPECT_EQ(table.find("x")->max_abs, 2.0f);
  table.set("x", {3.0f, RangeSource::Rule, false, "op"});
  EXPECT_EQ(table.find("x")->max_abs, 2.0f);
  table.set("x", {4.0f, RangeSource::Calibrated, false, "minmax"});
  EXPECT_EQ(table.find("x")->max_abs, 4.0f);
  RangeTable custom;
  custom.set("x", {0.5f, RangeSource::Custom, true, "fake_quant"});
  table.merge(custom);
  custom.merge(table);
  EXPECT_EQ(table.find("x")->max_abs, 0.5f);
  EXPECT_EQ(table, custom);
  EXPECT_EQ(table.find("y"), nullptr);
  EXPECT_THROW(table.set("x", {std::nanf(""), RangeSource::Custom, false, ""}), InvalidArgument);
  EXPECT_THROW(table.set("x", {-1.0f, RangeSource::Custom, false, ""}), InvalidArgument);
}

TEST(RangeTable, JsonReadsBack) {
  RangeTable table;
  table.set("a \"quoted\" name", {0.1f, RangeSource::Calibrated, true, "entropy"});
  table.set("block/conv:1", {6.0f, RangeSource::Custom, false, "block/fake_quant"});
  table.set("gate", {1.0f, RangeSource::Rule, true, "bounded by its op"});
  EXPECT_EQ(range_table_from_json(to_json(table), "memory"), table);
  EXPECT_EQ(range_table_from_json(to_json(RangeTable()), "memory"), RangeTable());
}

struct BadJson {
  const char* text;
  const char* message;
};

TEST(RangeTable, JsonSaysWhatIsWrong) {
  const BadJson cases[] = {
      {"{}", "r.json: 'format' is missing in the file"},
      {R"({"format": "x"})", R"(r.json: format is "x", expected "tfengine ranges")"},
      {R"({"format": "tfengine ranges", "version": 2})", "r.json: version is 2, expected 1"},
      {R"({"format": "tfengine ranges", "version": 1, "tensors": []})",
       "r.json: 'tensors' is a array, expected an object"},
      {R"({"format": "tfengine ranges", "version": 1, "tensors": {"x": {}}})",
       "r.json: 'max_abs' is missing in tensor 'x'"},
      {R"({"format": "tfengine ranges", "version": 1, "tensors": {"x": {"max_abs": -2}}})",
       "r.json: max_abs of tensor 'x' is -2, expected a finite number of at least 0"},
      {R"({"format": "tfengine ranges", "version": 1, "tensors": {"x": {"max_abs": 1, "source": "guess"}}})",
       "r.json: range source 'guess', expected custom, calibrated or rule"},
  };
  for (const BadJson& bad : cases) {
    try {
      range_table_from_json(bad.text, "r.json");
      ADD_FAILURE() << bad.text;
    } catch (const InvalidModel& error) {
      EXPECT_STREQ(error.what(), bad.message);
    }
  }
  for (const char* text :
       {"", "[1", R"({"format": "tfengine ranges", "version": 1, "tensors": {"x": {"max_abs": "1"}}})",
        R"({"format": "tfengine ranges", "version": 1, "tensors": {"x": {"max_abs": 1e300}}})"}) {
    EXPECT_THROW(range_table_from_json(text, "r.json"), InvalidModel) << text;
  }
}

TEST(RangeTable, TakesCustomRangesFromTheGraph) {
  const ir::Graph graph = ir::parse(R"(graph @g(%x: f32[1] range(max_abs=2.5, custom, "fq")) {
    %y = Relu(%x)
    return %y
  })");
  const RangeTable table = custom_ranges(graph);
  ASSERT_EQ(table.size(), 1u);
  EXPECT_EQ(*table.find("x"), (RangeEntry{2.5f, RangeSource::Custom, false, "fq"}));
}

TEST(SolveRanges, TellsOfDeadAndBrokenTensors) {
  HistogramSet set;
  const float data[] = {0.0f, 1.0f, 2.0f, std::nanf("")};
  set.tensors["dead"].add(data, 1);
  set.tensors["live"].add(data, 3);
  set.tensors["broken"].add(data + 3, 1);
  set.tensors["partly"].add(data + 2, 2);
  const SolvedRanges solved = solve_ranges(set, {"minmax"}, {"live"});
  EXPECT_EQ(solved.table.find("broken"), nullptr);
  EXPECT_EQ(*solved.table.find("live"), (RangeEntry{2.0f, RangeSource::Calibrated, true, "minmax", 0.0f, 2.0f}));
  EXPECT_EQ(solved.table.find("dead")->max_abs, 0.0f);
  EXPECT_EQ(solved.notes,
            (std::vector<std::string>{"tensor 'broken': 1 NaN and 0 infinite of 1 values were left out",
                                      "tensor 'broken' never had a finite value: it has no range",
                                      "tensor 'dead' was zero in all 1 values seen",
                                      "tensor 'partly': 1 NaN and 0 infinite of 2 values were left out"}));
}

TEST(RangeTable, JsonKeepsExtremes) {
  RangeTable table;
  table.set("seen", {2.0f, RangeSource::Calibrated, false, "mse", -0.25f, 2.5f});
  table.set("given", {1.0f, RangeSource::Custom, false, "fq"});
  const std::string text = to_json(table);
  EXPECT_EQ(range_table_from_json(text, "memory"), table);
  try {
    range_table_from_json(
        R"({"format": "tfengine ranges", "version": 1, "tensors": {"x": {"max_abs": 1, "low": 2, "high": 1}}})", "t");
    FAIL();
  } catch (const InvalidModel& error) {
    EXPECT_STREQ(error.what(), "t: the values of tensor 'x' go from 2 to 1, expected numbers in order");
  }
}

TEST(SolveRanges, LopsidedTensorsHaveFinerStepsToWeighClippingBy) {
  // Most values are small; with 127 steps it pays to clip the large ones sooner than with 255.
  HistogramSet set;
  std::vector<float> values;
  for (int i = 0; i < 20000; ++i) values.push_back(0.05f * static_cast<float>(i % 100) / 100.0f);
  for (int i = 0; i < 40; ++i) values.push_back(0.1f * static_cast<float>(i));
  values.push_back(-0.25f);
  set.tensors["x"].add(values.data(), values.size());
  const auto bound = [&](bool asymmetric) {
    return solve_ranges(set, {"mse"}, {}, asymmetric).table.find("x")->max_abs;
  };
  EXPECT_GT(bound(true), bound(false));
  EXPECT_EQ(solve_ranges(set, {"mse"}, {}).table.find("x")->low, -0.25f);
}

TEST(Metrics, Decibels) {
  EXPECT_NEAR(decibels(100.0, 1.0), 20.0, 1e-12);
  EXPECT_EQ(decibels(1.0, 0.0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(decibels(0.0, 0.0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(decibels(0.0, 1.0), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(decibels(1.0, std::numeric_limits<double>::infinity()), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(decibels(1.0, std::nan("")), -std::numeric_limits<double>::infinity());
}

TEST(Metrics, SignalToNoise) {
  const std::vector<float> reference = {3.0f, -4.0f};
  EXPECT_NEAR(signal_to_noise_db(reference, std::vector<float>{3.0f, -3.5f}), 20.0, 1e-9);
  EXPECT_EQ(signal_to_noise_db(reference, reference), std::numeric_limits<double>::infinity());
  EXPECT_EQ(signal_to_noise_db(reference, std::vector<float>{std::nanf(""), 0.0f}),
            -std::numeric_limits<double>::infinity());
  EXPECT_EQ(signal_to_noise_db(std::vector<float>{0.0f}, std::vector<float>{1.0f}),
            -std::numeric_limits<double>::infinity());
  EXPECT_THROW(signal_to_noise_db(reference, std::vector<float>{1.0f}), InvalidArgument);
}

}  // namespace
}  // namespace tfengine::quantize
