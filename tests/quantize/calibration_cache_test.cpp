// SPDX-License-Identifier: Apache-2.0
// TensorRT's text form, with lines from real caches.
#include "quantize/calibration_cache.h"

#include <gtest/gtest.h>

#include "tfengine/error.h"

namespace tfengine::quantize {
namespace {

TEST(CalibrationCache, ReadsRealLines) {
  const CalibrationCache cache = parse_calibration_cache(
      "TRT-8600-EntropyCalibration2\n"
      "unit: 3c010204\n"
      "input_1:0: 4000889d\n"
      "(Unnamed Layer* 4) [Fully Connected]_output: 3c010a14\r\n"
      "\n",
      "cache");
  EXPECT_EQ(cache.version, "8600");
  EXPECT_EQ(cache.algorithm, "EntropyCalibration2");
  ASSERT_EQ(cache.table.size(), 3u);
  EXPECT_FLOAT_EQ(cache.table.find("unit")->max_abs, 1.0f);
  EXPECT_NEAR(cache.table.find("input_1:0")->max_abs, 255.06f, 0.005f);
  EXPECT_NEAR(cache.table.find("(Unnamed Layer* 4) [Fully Connected]_output")->max_abs, 127 * 0.0078764f, 1e-4f);
  EXPECT_EQ(cache.table.find("unit")->source, ir::RangeSource::Calibrated);
}

TEST(CalibrationCache, WritesWhatTensorRtReads) {
  RangeTable table;
  table.set("a: b", {1.0f, ir::RangeSource::Calibrated, true, "entropy"});
  table.set("dead", {0.0f, ir::RangeSource::Calibrated, true, "entropy"});
  EXPECT_EQ(format_calibration_cache(table, "entropy"),
            "TRT-100300-EntropyCalibration2\na: b: 3c010204\ndead: 00000000\n");
  EXPECT_EQ(format_calibration_cache(RangeTable(), "minmax", "8502"), "TRT-8502-MinMaxCalibration\n");
  const RangeTable read = parse_calibration_cache(format_calibration_cache(table, "auto"), "cache").table;
  EXPECT_FLOAT_EQ(read.find("a: b")->max_abs, 1.0f);
  table.set("two\nlines", {1.0f, ir::RangeSource::Calibrated, true, ""});
  EXPECT_THROW(format_calibration_cache(table, "entropy"), InvalidArgument);
}

TEST(CalibrationCache, ReadsHeadersOfOldAndNewVersions) {
  EXPECT_EQ(parse_calibration_cache("TRT-100300-MinMaxCalibration\nx: 3c010204", "c").algorithm, "MinMaxCalibration");
  EXPECT_EQ(parse_calibration_cache("1\nx: 3c010204\n", "c").table.size(), 1u);
  EXPECT_EQ(parse_calibration_cache("x: 3c010204\n", "c").version, "");
  // A tensor may be called like a header.
  EXPECT_EQ(parse_calibration_cache("TRT-1-x: 3c010204\n", "c").table.size(), 1u);
}

struct BadCache {
  const char* text;
  const char* message;
};

TEST(CalibrationCache, SaysWhatIsWrong) {
  const BadCache cases[] = {
      {"", "c: an empty calibration cache"},
      {"TRT-8600-EntropyCalibration2\nx 3c010204\n",
       "c: line 2: expected '<tensor>: <8 hexadecimal digits>', got 'x 3c010204'"},
      {"x: 3c01020\n", "c: line 1: the scale is '3c01020', expected 8 hexadecimal digits"},
      {"x: 3c01020g\n", "c: line 1: the scale is '3c01020g', expected 8 hexadecimal digits"},
      {"x: 7fc00000\n", "c: line 1: the scale is nan, expected a finite number of at least 0"},
      {"x: 7f7fffff\n", "c: line 1: the scale is 3.4028235e+38, expected a finite number of at least 0"},
      {"x: bc010204\n", "c: line 1: the scale is -0.007874016, expected a finite number of at least 0"},
      {": 3c010204\n", "c: line 1: expected '<tensor>: <8 hexadecimal digits>', got ': 3c010204'"},
  };
  for (const BadCache& bad : cases) {
    try {
      parse_calibration_cache(bad.text, "c");
      ADD_FAILURE() << bad.text;
    } catch (const InvalidModel& error) {
      EXPECT_STREQ(error.what(), bad.message);
    }
  }
}

TEST(CalibrationCache, ComparesNamesBothWays) {
  // Deleting lines of a table silently ruined accuracy elsewhere: what is missing has to be known.
  RangeTable table;
  table.set("a", {1.0f});
  table.set("old", {1.0f});
  const NameMismatch mismatch = compare_names(table, {"b", "a"});
  EXPECT_EQ(mismatch.not_in_graph, std::vector<std::string>{"old"});
  EXPECT_EQ(mismatch.not_in_table, std::vector<std::string>{"b"});
}

}  // namespace
}  // namespace tfengine::quantize
