// SPDX-License-Identifier: Apache-2.0
#include "quantize/checkup.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tfengine/error.h"

namespace tfengine::quantize {
namespace {

using Strings = std::vector<std::string>;

// Samples of one tensor whose peak is 10 plus noise, and one input of normal numbers.
struct Data {
  explicit Data(size_t count, bool scaled_by_model = false) {
    set.samples = count;
    std::mt19937 rng(11);
    std::normal_distribution<float> noise;
    for (size_t i = 0; i < count; ++i) {
      SampleRecord record;
      record.content = content_hash(kNoContent, &i, sizeof i);
      record.peaks = {10.0f + noise(rng)};
      record.inputs = {{-2.0f, 2.0f, 0.1f}};
      records.push_back(record);
    }
    set.samples_seen = SampleLog({"t"}, {{"x", scaled_by_model}});
  }
  Checkup check() {
    for (const SampleRecord& record : records) set.samples_seen.add(record);
    return check_up(set);
  }

  HistogramSet set;
  std::vector<SampleRecord> records;
};

TEST(Checkup, EnoughSamplesAreCounted) {
  const Checkup found = Data(256).check();
  ASSERT_TRUE(found.enough_samples);
  EXPECT_LE(*found.enough_samples, 32u);
  EXPECT_EQ(found.findings, Strings{});
}

TEST(Checkup, RangesThatStillMoveAreTold) {
  Data data(64);
  std::mt19937 rng(2);
  // Two values far apart, the larger one rare: half the samples miss the mean by more than 5 %.
  for (SampleRecord& record : data.records) record.peaks[0] = 1.0f;
  std::vector<SampleRecord*> by_content;
  for (SampleRecord& record : data.records) by_content.push_back(&record);
  std::sort(by_content.begin(), by_content.end(),
            [](const SampleRecord* a, const SampleRecord* b) { return a->content < b->content; });
  for (size_t i = 40; i < 64; ++i) by_content[i]->peaks[0] = 5.0f;
  const Checkup found = data.check();
  EXPECT_FALSE(found.enough_samples);
  EXPECT_EQ(
      found.findings,
      Strings{"the ranges of 1 of 1 tensors still moved in the second half of the samples: more samples would change "
              "them"});
}

TEST(Checkup, TooFewSamplesSayNothing) {
  const Checkup found = Data(5).check();
  EXPECT_FALSE(found.enough_samples);
  EXPECT_EQ(found.findings, Strings{"5 samples are too few to tell whether more would change the ranges"});
}

TEST(Checkup, OutliersAreNamed) {
  Data data(64);
  data.records[17].peaks[0] = 1000.0f;
  data.records[3].peaks[0] = 200.0f;
  const Checkup found = data.check();
  ASSERT_EQ(found.outliers.size(), 2u);
  EXPECT_EQ(found.outliers[0].content, data.records[17].content);
  EXPECT_EQ(found.outliers[0].tensor, "t");
  EXPECT_EQ(found.outliers[0].peak, 1000.0f);
  EXPECT_NEAR(found.outliers[0].typical, 10.0f, 1.0f);
  EXPECT_EQ(found.outliers[1].content, data.records[3].content);
  EXPECT_EQ(found.findings.back(), "2 samples go more than 8 times further than the median sample: look at them");
}

TEST(Checkup, InputsAreJudged) {
  const auto findings = [](InputFacts facts, bool scaled_by_model) {
    Data data(64, scaled_by_model);
    for (SampleRecord& record : data.records) record.inputs[0] = facts;
    return data.check().findings;
  };
  EXPECT_EQ(
      findings({0.0f, 255.0f, 100.0f}, false),
      Strings{"input 'x' lies in [0, 255] as the bytes of images do, and the model does not scale it: was it trained "
              "with normalised images?"});
  EXPECT_EQ(findings({0.0f, 255.0f, 100.0f}, true), Strings{});
  EXPECT_EQ(findings({0.0f, 0.0039f, 0.001f}, false),
            Strings{"input 'x' is nowhere larger than 0.0039: was it scaled twice?"});
  EXPECT_EQ(findings({3.0f, 3.0f, 3.0f}, false),
            Strings{"input 'x' is 3 in all samples: it holds nothing to calibrate with"});
  EXPECT_EQ(findings({-1.0f, 1.0f, 0.0f}, false), Strings{});
}

TEST(Checkup, ConstantAndRepeatedSamplesAreTold) {
  Data data(64);
  data.records[5].inputs[0] = {0.5f, 0.5f, 0.5f};
  data.records[9] = data.records[8];
  const Checkup found = data.check();
  EXPECT_EQ(found.constant_samples, std::vector<uint64_t>{data.records[5].content});
  EXPECT_EQ(found.repeated_samples, 1u);
  EXPECT_EQ(found.findings, (Strings{"1 sample has an input of one value throughout",
                                     "1 of 64 samples are there more than once: they add nothing"}));
}

TEST(Checkup, DeadTensorsAreTold) {
  Data data(64);
  const std::vector<float> zeros(5000, 0.0f);
  data.set.tensors["dead"].add(zeros.data(), zeros.size());
  EXPECT_EQ(data.check().findings,
            Strings{"1 of 1 tensors are zero in 99.9 % of their values or more: are the data prepared "
                    "as they were for training?"});
}

TEST(SampleLog, MergesInAnyOrderAndKeepsAFairDraw) {
  SampleLog whole({"t"}, {}), even({"t"}, {}), odd({"t"}, {});
  for (uint64_t i = 0; i < SampleLog::kMost + 500; ++i) {
    const SampleRecord record{content_hash(kNoContent, &i, sizeof i), {static_cast<float>(i)}, {}};
    whole.add(record);
    (i % 2 == 0 ? even : odd).add(record);
  }
  EXPECT_EQ(whole.records().size(), SampleLog::kMost);
  SampleLog forth = even, back = odd;
  forth.merge(odd);
  back.merge(even);
  EXPECT_EQ(forth, whole);
  EXPECT_EQ(back, whole);
  // The mean of 0 .. n-1, from a sample of it.
  EXPECT_NEAR(whole.mean_peak(0), (SampleLog::kMost + 500) / 2.0, 60);
  SampleLog other({"u"}, {});
  EXPECT_THROW(other.merge(whole), InvalidArgument);
  SampleLog empty;
  empty.merge(whole);
  EXPECT_EQ(empty, whole);
}

TEST(SampleLog, FingerprintsTellContents) {
  const float a[] = {1.0f, 2.0f, 3.0f}, b[] = {1.0f, 2.0f, 3.5f};
  EXPECT_EQ(content_hash(kNoContent, a, sizeof a), content_hash(kNoContent, a, sizeof a));
  EXPECT_NE(content_hash(kNoContent, a, sizeof a), content_hash(kNoContent, b, sizeof b));
  EXPECT_NE(content_hash(kNoContent, a, 8), content_hash(kNoContent, a, 4));
}

TEST(SampleLog, FactsAreOfFiniteValues) {
  EXPECT_EQ(input_facts(std::vector<float>{1.0f, NAN, 3.0f, INFINITY}), (InputFacts{1.0f, 3.0f, 2.0f}));
  EXPECT_EQ(input_facts(std::vector<float>{NAN}), InputFacts());
  EXPECT_EQ(input_facts({}), InputFacts());
}

}  // namespace
}  // namespace tfengine::quantize
