// SPDX-License-Identifier: Apache-2.0
// What conversion tries when a target is given or measures are to be found: on a small network of swish and depthwise
// convolutions whose channels differ widely, with every sample made here.
#include "compiler/ladder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "list_source.h"
#include "swish_network.h"
#include "tfengine/convert.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

using nlohmann::json;

struct Made {
  json report;
  const json& accuracy() const { return report.at("accuracy"); }
  std::vector<std::string> tried() const {
    std::vector<std::string> names;
    for (const json& rung : accuracy().at("rungs")) names.push_back(rung["what"]);
    return names;
  }
  bool has(const std::string& what) const {
    const auto names = tried();
    return std::find(names.begin(), names.end(), what) != names.end();
  }
};

Made made(ConvertOptions options, bool with_samples = true) {
  const Model model = swish_network();
  ListSource data(swish_samples(24, 1)), again(swish_samples(24, 1));
  const Calibration calibration = calibrate(model, data);
  options.precision = "int8";
  options.calibration = &calibration;
  if (with_samples) options.samples = &again;
  options.avoid_slow_int8 = false;
  options.engine.time_tactics = false;
  options.engine.threads = 1;
  return {json::parse(convert(model, options).report_json())};
}

ConvertOptions automatic() {
  ConvertOptions options;
  options.measures = {"auto"};
  return options;
}

ConvertOptions with_target(double share) {
  ConvertOptions options;
  options.target.share = share;
  return options;
}

TEST(Ladder, AutomaticTriesEveryMeasureAndKeepsWhatGains) {
  const Made result = made(automatic());
  EXPECT_EQ(result.tried().front(), "plain INT8");
  for (const char* measure : {"asymmetric", "weight_mse", "rounding", "calibrator mse"}) {
    EXPECT_TRUE(result.has(measure)) << measure;
  }
  // Swish lets no factors through, and there is no normalisation of layers.
  EXPECT_FALSE(result.has("equalization") || result.has("smoothing"));
  double best = -1e9;
  for (const json& rung : result.accuracy()["rungs"]) {
    const double db = rung["typical_db"];
    // Kept ones climb; the others are no clear gain over what was reached before.
    if (rung["kept"]) {
      EXPECT_GT(db, best) << rung.dump();
      best = db;
    } else {
      EXPECT_LE(db, best + 0.1 + 0.01) << rung.dump();
    }
  }
  EXPECT_GT(best, result.accuracy()["rungs"][0]["typical_db"].get<double>() + 1.0);
  EXPECT_TRUE(result.accuracy()["float_layers"].empty());
  EXPECT_FALSE(result.accuracy().contains("holds"));
  const auto measures = result.report["measures"].get<std::vector<std::string>>();
  EXPECT_NE(std::find(measures.begin(), measures.end(), "asymmetric"), measures.end());
}

TEST(Ladder, IsJudgedByAQuarterOfTheSamples) {
  const Made result = made(with_target(0.5));
  const std::string terms = result.accuracy()["terms"];
  EXPECT_NE(terms.find("on 6 samples"), std::string::npos) << terms;
}

TEST(Ladder, TensorRtGridsHaveNoZeroPoints) {
  ConvertOptions options = automatic();
  options.int8_grid = "tensorrt";
  EXPECT_FALSE(made(options).has("asymmetric"));
  options.measures = {"asymmetric"};
  EXPECT_THROW(made(options), InvalidArgument);
}

TEST(Ladder, StopsAtTheFirstRungThatHolds) {
  const Made result = made(with_target(0.5));
  EXPECT_EQ(result.tried(), std::vector<std::string>{"plain INT8"});
  EXPECT_TRUE(result.accuracy()["holds"]);
  EXPECT_TRUE(result.report["measures"].empty());
}

// The share of noise that an engine may add, as a score.
ConvertOptions with_noise_below(ListSource& data, const Engine& exact, double least) {
  ConvertOptions options;
  options.target.share = 1.0;
  options.target.data = &data;
  options.target.score = [&exact, least](const std::vector<NamedTensor>& outputs, const Batch& batch) {
    const std::vector<NamedTensor> wanted = exact.run(batch);
    double signal = 0.0, noise = 0.0;
    for (int64_t i = 0; i < wanted[0].tensor.elements(); ++i) {
      const double w = static_cast<double>(wanted[0].tensor.as<float>()[i]);
      const double e = static_cast<double>(outputs[0].tensor.as<float>()[i]) - w;
      signal += w * w;
      noise += e * e;
    }
    return std::min(10.0 * std::log10(signal / std::max(noise, 1e-30)), least);
  };
  return options;
}

TEST(Ladder, ReturnsAsFewLayersToFloatAsItTakes) {
  ConvertOptions plain;
  plain.engine.time_tactics = false;
  const Engine exact = convert(swish_network(), plain);
  std::vector<size_t> in_float;
  for (const double db : {40.0, 60.0}) {
    ListSource data(swish_samples(8, 2));
    const Made result = made(with_noise_below(data, exact, db));
    EXPECT_TRUE(result.accuracy()["holds"]) << result.accuracy().dump();
    in_float.push_back(result.accuracy()["float_layers"].size());
    // Every measure was tried before.
    if (in_float.back() > 0) {
      EXPECT_TRUE(result.has("rounding"));
      EXPECT_NE(result.tried().back().find("in float"), std::string::npos);
    }
  }
  EXPECT_LE(in_float[0], in_float[1]);
  EXPECT_GT(in_float[1], 0u);
}

TEST(Ladder, WithoutSamplesTriesWhatNeedsNone) {
  ListSource data(swish_samples(8, 2));
  ConvertOptions options = with_target(1.0);
  options.target.data = &data;
  const Made result = made(options, false);
  EXPECT_FALSE(result.has("rounding"));
  EXPECT_FALSE(result.has("equalization"));
  EXPECT_THROW(made(with_target(0.9), false), InvalidArgument);
}

TEST(Ladder, SameInputsGiveTheSameReport) {
  const json first = made(automatic()).accuracy(), second = made(automatic()).accuracy();
  EXPECT_EQ(first, second);
}

}  // namespace
}  // namespace tfengine
