// SPDX-License-Identifier: Apache-2.0
// Scores of graphs whose outputs the test knows: the float graph is the identity, others change what it gives.
#include "compiler/judge.h"

#include <gtest/gtest.h>

#include <cmath>

#include "backends/list.h"
#include "ir/parser.h"
#include "list_source.h"
#include "ops/op.h"
#include "passes/specialize.h"
#include "tfengine/error.h"

namespace tfengine::detail {
namespace {

runtime::EngineConfig config() {
  runtime::EngineConfig config;
  config.backends = backends_by_name("reference");
  config.allocator = &default_allocator();
  config.specialize = passes::specialize;
  return config;
}

ir::Graph graph_of(const std::string& body, const std::string& shape = "[?,4]") {
  ir::Graph graph = ir::parse("graph @g(%x: f32" + shape + ") {\n" + body + "\n}");
  ops::infer_graph(graph);
  return graph;
}

ir::Graph exact(const std::string& shape = "[?,4]") { return graph_of("%y = Neg(%x) %z = Neg(%y) return %z", shape); }
// Adds to each class.
ir::Graph shifted(const std::string& by) {
  return graph_of("%c = const f32[4] [" + by + "] %z = Add(%x, %c) return %z");
}

Batch scores(const std::vector<float>& values, const std::vector<int64_t>& labels = {}) {
  const auto rows = static_cast<int64_t>(values.size() / 4);
  Batch batch = {{"x", Tensor::of(DType::F32, {rows, 4}, values)}};
  if (!labels.empty()) batch.push_back({"labels", Tensor::of(DType::S64, {rows}, labels)});
  return batch;
}

// Two samples whose classes are 1 and 3.
std::vector<float> two_rows() { return {0.0f, 4.0f, 3.0f, 0.0f, 1.0f, 0.0f, 0.0f, 2.0f}; }

TEST(Judge, WithoutLabelsCountsClassesThatStay) {
  ListSource data({scores(two_rows())});
  AccuracyTarget target;
  target.share = 0.9;
  const Judge judge(exact(), target, data, config());
  EXPECT_EQ(
      judge.terms(),
      "agreement with the float model on 2 samples: float 1.0000, at least 0.9000, so none may be lost; more samples "
      "tell shares apart");
  const Score same = judge.score(exact());
  EXPECT_EQ(same.value, 1.0);
  EXPECT_EQ(same.samples, 2);
  EXPECT_EQ(same.db, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(judge.holds(same));
  // The first sample's class becomes 2.
  const Score other = judge.score(shifted("0.0, -2.0, 0.0, 0.0"));
  EXPECT_EQ(other.value, 0.5);
  EXPECT_EQ(other.agreement, 0.5);
  EXPECT_FALSE(judge.holds(other));
  // Both outputs: 30 of signal (25 and 5) and 4 of noise for each sample.
  EXPECT_NEAR(other.db, 10.0 * std::log10(30.0 / 8.0), 1e-6);
  EXPECT_NEAR(other.typical_db, 5.0 * (std::log10(25.0 / 4.0) + std::log10(5.0 / 4.0)), 1e-6);
}

TEST(Judge, LabelsCountTheRightClass) {
  ListSource data({scores(two_rows(), {2, 3})});
  AccuracyTarget target;
  target.share = 0.99;
  target.label = "labels";
  const Judge judge(exact(), target, data, config());
  EXPECT_EQ(judge.of_float().value, 0.5);
  EXPECT_EQ(judge.score(shifted("0.0, -2.0, 0.0, 0.0")).value, 1.0);  // better than the float model
  EXPECT_EQ(judge.score(shifted("9.0, 0.0, 0.0, 0.0")).value, 0.0);
  // A share of 0.5, in steps of a half.
  EXPECT_TRUE(judge.holds(judge.score(exact())));
}

TEST(Judge, TopFiveIsWhatItSays) {
  ListSource data({scores(two_rows(), {0, 1})});
  AccuracyTarget target;
  target.share = 0.5;
  target.label = "labels";
  target.metric = "top5";
  EXPECT_EQ(Judge(exact(), target, data, config()).of_float().value,
            1.0);  // of four classes all are among the first five
}

TEST(Judge, NotANumberIsNeverRight) {
  ListSource data({scores(two_rows(), {1, 3})});
  AccuracyTarget target;
  target.share = 0.9;
  target.label = "labels";
  const Judge judge(exact(), target, data, config());
  const Score score = judge.score(graph_of("%n = Neg(%x) %z = Sqrt(%n) return %z"));
  EXPECT_LT(score.value, 1.0);
  EXPECT_EQ(score.db, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(score.typical_db, -100.0);
}

TEST(Judge, OutputsThatAreNoClassesAreJudgedByNoise) {
  Batch batch = {{"x", Tensor::of(DType::F32, {2, 2, 2}, std::vector<float>{1, 2, 3, 4, 1, 2, 3, 4})}};
  ListSource data({batch});
  AccuracyTarget target;
  target.share = 0.999;
  const Judge judge(exact("[?,2,2]"), target, data, config());
  EXPECT_EQ(judge.terms(), "signal-to-noise of the outputs on 2 samples, at least 30.0 dB");
  const auto off_by = [](const std::string& factor) {
    return graph_of("%c = const f32[] [" + factor + "] %z = Mul(%x, %c) return %z", "[?,2,2]");
  };
  EXPECT_NEAR(judge.score(off_by("1.01")).db, 40.0, 1e-3);
  EXPECT_TRUE(judge.holds(judge.score(off_by("1.01"))));
  EXPECT_FALSE(judge.holds(judge.score(off_by("1.1"))));  // 20 dB
  EXPECT_EQ(judge.text(judge.score(off_by("1.1"))), "20.0 dB");
}

TEST(Judge, ProbabilitiesAreJudgedByTheirLogits) {
  // The large probability hides what happens to the small ones: 0.999 and three others.
  ListSource data({scores({0.997f, 0.001f, 0.001f, 0.001f})});
  AccuracyTarget target;
  target.share = 0.5;
  const Judge judge(exact(), target, data, config());
  const Score score = judge.score(shifted("0.0, 0.0009, -0.0009, 0.0"));
  EXPECT_LT(score.db, 20.0);
}

TEST(Judge, TheCallersScoreAndFewerSamples) {
  ListSource data({scores(two_rows()), scores(two_rows()), scores(two_rows())});
  AccuracyTarget target;
  target.share = 1.0;
  target.score = [](const std::vector<NamedTensor>& outputs, const Batch& batch) {
    return static_cast<double>(outputs.at(0).tensor.as<float>()[1] - batch.at(0).tensor.as<float>()[1]);
  };
  const Judge judge(exact(), target, data, config());
  EXPECT_EQ(judge.of_float().samples, 6);
  EXPECT_EQ(judge.score(shifted("0.0, 2.0, 0.0, 0.0")).value, 2.0);
  EXPECT_EQ(judge.score(exact(), 3).samples, 4);  // batches are not cut
}

std::string refused(const AccuracyTarget& target, std::vector<Batch> batches) {
  ListSource data(std::move(batches));
  try {
    Judge(exact(), target, data, config());
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no error";
}

TEST(Judge, WrongTargetsAreNamed) {
  AccuracyTarget target;
  target.share = 1.5;
  EXPECT_EQ(refused(target, {scores(two_rows())}),
            "target accuracy: 1.5 of the float model's, expected a share above 0 and up to 1");
  target.share = 0.9;
  target.label = "labels";
  EXPECT_EQ(refused(target, {scores(two_rows())}), "target accuracy: the data has no tensor 'labels' with labels");
  EXPECT_EQ(refused(target, {scores(two_rows(), {1, 4})}), "target accuracy: label 4 is out of range for 4 classes");
  target.metric = "f1";
  EXPECT_EQ(refused(target, {scores(two_rows())}), "target accuracy: metric 'f1' is unknown, expected top1 or top5");
  EXPECT_EQ(refused({.share = 0.9, .label = {}, .score = {}}, {}), "accuracy: the data holds no sample");
}

}  // namespace
}  // namespace tfengine::detail
