// SPDX-License-Identifier: Apache-2.0
// Tables in other tools' formats. Those in onnx_runtime/ were written by ONNX Runtime 1.32.
#include "quantize/tables/table_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <random>

#include "tfengine/error.h"

namespace tfengine::quantize {
namespace {

std::string recorded(const std::string& name) {
  std::ifstream file(TFE_SOURCE_DIR "/tests/quantize/onnx_runtime/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

RangeTable example() {
  RangeTable table;
  table.set("conv/Relu:0", {6.25f, ir::RangeSource::Calibrated, true, "mse"});
  table.set("(Unnamed Layer* 4) [Fully Connected]_output: x", {0.1f, ir::RangeSource::Custom, false, "fq"});
  table.set("zero", {0.0f, ir::RangeSource::Rule, false, ""});
  return table;
}

std::string message_of(const std::string& bytes) {
  try {
    parse_table(bytes, "'t'");
  } catch (const InvalidModel& error) {
    return error.what();
  }
  return "no error";
}

TEST(TableFile, ReadsOnnxRuntimesOwnFiles) {
  for (const auto& [file, format, odd] : std::vector<std::tuple<const char*, TableFormat, float>>{
           {"calibration.json", TableFormat::OnnxRuntimeJson, 3.5f},
           // These hold the larger of highest and lowest only, which is not the larger magnitude.
           {"calibration.cache", TableFormat::OnnxRuntimeText, 1.25f},
           {"calibration.flatbuffers", TableFormat::OnnxRuntimeFlatbuffers, 1.25f}}) {
    const TableFile read = parse_table(recorded(file), file);
    EXPECT_EQ(read.format, format) << file;
    ASSERT_EQ(read.table.size(), 2u) << file;
    EXPECT_EQ(read.table.find("conv/Relu:0")->max_abs, 6.25f) << file;
    EXPECT_EQ(read.table.find("odd name")->max_abs, odd) << file;
    EXPECT_EQ(read.table.find("odd name")->source, ir::RangeSource::Calibrated) << file;
  }
  const TableFile json = parse_table(recorded("calibration.json"), "json");
  EXPECT_TRUE(json.table.find("conv/Relu:0")->non_negative);
  EXPECT_FALSE(json.table.find("odd name")->non_negative);
}

TEST(TableFile, EveryFormatReadsBack) {
  for (const std::string_view name : table_format_names()) {
    const TableFormat format = table_format_from_name(name);
    const TableFile read = parse_table(format_table(example(), format, "entropy"), "memory");
    EXPECT_EQ(read.format, format) << name;
    ASSERT_EQ(read.table.size(), 3u) << name;
    const RangeTable written = example();
    for (const auto& [tensor, entry] : written.entries()) {
      // TensorRT's holds a rounded 127th.
      EXPECT_NEAR(read.table.find(tensor)->max_abs, entry.max_abs, 1e-6f * entry.max_abs) << name << " " << tensor;
    }
  }
  EXPECT_EQ(parse_table(format_table(example(), TableFormat::Tfengine, ""), "memory").table, example());
}

TEST(TableFile, TensorRtsHeadNamesTheAlgorithm) {
  const auto algorithm = [](const char* calibrator) {
    return parse_table(format_table(example(), TableFormat::TensorRt, calibrator), "memory").algorithm;
  };
  EXPECT_EQ(algorithm("entropy"), "EntropyCalibration2");
  EXPECT_EQ(algorithm("entropy1"), "EntropyCalibration");
  EXPECT_EQ(algorithm("legacy"), "LegacyCalibration");
  EXPECT_EQ(algorithm("minmax"), "MinMaxCalibration");
  EXPECT_EQ(algorithm("auto"), "EntropyCalibration2");
}

TEST(TableFile, OldFormsAreRead) {
  EXPECT_EQ(parse_table("1\nx: 3c010204\n", "t").format, TableFormat::TensorRt);
  EXPECT_EQ(parse_table("x: 3c010204\n", "t").format, TableFormat::TensorRt);
  const RangeTable text = parse_table("x 2.5\r\ny z 3e-2\r\n", "t").table;
  EXPECT_EQ(text.find("y z")->max_abs, 0.03f);
  const RangeTable pairs = parse_table(R"({"x": [-2, 1], "y": [[0.5], [3.0]]})", "t").table;
  EXPECT_EQ(pairs.find("x")->max_abs, 2.0f);
  EXPECT_EQ(pairs.find("y")->max_abs, 3.0f);
  // A tensor may have the name of a member of our own files.
  const RangeTable named = parse_table(R"({"format": [-2, 1]})", "t").table;
  EXPECT_EQ(named.find("format")->max_abs, 2.0f);
}

TEST(TableFile, SaysWhatIsWrong) {
  EXPECT_EQ(message_of("x y\n"), "'t': tensor 'x' has the range 'y', expected a number of at least 0");
  EXPECT_EQ(message_of("x -1\n"), "'t': tensor 'x' has the range '-1', expected a number of at least 0");
  EXPECT_EQ(message_of("x inf\n"), "'t': tensor 'x' has the range [-inf, inf], expected finite numbers in order");
  EXPECT_EQ(message_of("x 1\nx 2\n"), "'t': tensor 'x' is there twice");
  EXPECT_EQ(message_of("word\n"), "'t': line 1: expected '<tensor> <range>', got 'word'");
  EXPECT_EQ(message_of("\n"), "'t': an empty table");
  EXPECT_EQ(message_of(""), "'t': an empty table");
  EXPECT_EQ(message_of(R"({"x": 3})"), "'t': tensor 'x' has no 'lowest' and 'highest'");
  EXPECT_EQ(message_of(R"({"x": {"lowest": "a", "highest": 1}})"),
            "'t': the range of tensor 'x' holds a string, expected one number for the tensor");
  EXPECT_EQ(message_of(R"({"x": {"lowest": {"data": [1, 2]}, "highest": 1}})"),
            "'t': the range of tensor 'x' holds a array, expected one number for the tensor");
  EXPECT_EQ(message_of(R"({"x": [2, 1]})"), "'t': tensor 'x' has the range [2, 1], expected finite numbers in order");
  EXPECT_EQ(message_of(R"({"x": )").substr(0, 35), "'t': not a table of ranges: [json.e");
  EXPECT_EQ(message_of(std::string(40, '\0')), "'t': not a flatbuffer with a calibration table, or damaged");
  EXPECT_THROW(table_format_from_name("csv"), InvalidArgument);
  RangeTable broken;
  broken.set("two\nlines", {1.0f});
  EXPECT_THROW(format_table(broken, TableFormat::OnnxRuntimeText, ""), InvalidArgument);
}

TEST(TableFile, DamageIsAnErrorOrAnotherTable) {
  std::mt19937_64 rng(7);
  for (const std::string_view name : table_format_names()) {
    const std::string good = format_table(example(), table_format_from_name(name), "entropy");
    for (int round = 0; round < 3000; ++round) {
      std::string bad = good;
      for (int changes = 0; changes < 3; ++changes) bad[rng() % bad.size()] = static_cast<char>(rng());
      if (round % 2 == 0) bad.resize(rng() % bad.size());
      try {
        const TableFile read = parse_table(bad, "bad");
        for (const auto& [tensor, entry] : read.table.entries()) {
          ASSERT_TRUE(std::isfinite(entry.max_abs) && entry.max_abs >= 0.0f) << name;
        }
      } catch (const InvalidModel&) {
      }
    }
  }
}

TEST(TableFile, DifferencesAreTold) {
  RangeTable other = example();
  other.set("zero", {0.5f, ir::RangeSource::Calibrated, false, ""});
  other.set("new", {1.0f, ir::RangeSource::Calibrated, false, ""});
  RangeTable first = example();
  first.set("only here", {1.0f, ir::RangeSource::Calibrated, false, ""});
  const std::vector<TableDifference> found = compare_tables(first, other, 0.0);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].tensor, "new");
  EXPECT_EQ(found[0].first, nullptr);
  EXPECT_EQ(found[1].tensor, "only here");
  EXPECT_EQ(found[1].second, nullptr);
  EXPECT_EQ(found[2].tensor, "zero");
  EXPECT_EQ(compare_tables(example(), example(), 0.0).size(), 0u);
  RangeTable near = example();
  near.set("conv/Relu:0", {6.3f, ir::RangeSource::Calibrated, true, ""});
  EXPECT_EQ(compare_tables(example(), near, 0.0).size(), 1u);
  EXPECT_EQ(compare_tables(example(), near, 0.01).size(), 0u);
}

}  // namespace
}  // namespace tfengine::quantize
