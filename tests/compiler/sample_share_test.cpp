// SPDX-License-Identifier: Apache-2.0
#include "compiler/sample_share.h"

#include <gtest/gtest.h>

#include "list_source.h"

namespace tfengine::detail {
namespace {

// `rows` numbered from `first` on, and their labels.
Batch batch_of(int64_t first, int64_t rows) {
  Tensor x(DType::F32, {rows, 2}), labels(DType::S64, {rows});
  for (int64_t i = 0; i < rows; ++i) {
    x.mutable_as<float>()[2 * i] = static_cast<float>(first + i);
    x.mutable_as<float>()[2 * i + 1] = -1.0f;
    labels.mutable_as<int64_t>()[i] = first + i;
  }
  return {{"x", x}, {"labels", labels}};
}

std::vector<int64_t> samples_of(BatchSource& source) {
  std::vector<int64_t> samples;
  for (Batch batch; source.next(batch);) {
    const Tensor &x = batch.at(0).tensor, &labels = batch.at(1).tensor;
    EXPECT_EQ(x.shape()[0], labels.shape()[0]);
    for (int64_t i = 0; i < labels.shape()[0]; ++i) {
      EXPECT_EQ(x.as<float>()[2 * i], static_cast<float>(labels.as<int64_t>()[i]));
      EXPECT_EQ(x.as<float>()[2 * i + 1], -1.0f);
      samples.push_back(labels.as<int64_t>()[i]);
    }
  }
  return samples;
}

using Samples = std::vector<int64_t>;

TEST(SampleShare, EveryFourthIsKeptAside) {
  for (const int64_t size : {1, 2, 3, 5, 10}) {
    std::vector<Batch> batches;
    for (int64_t at = 0; at < 10; at += size) batches.push_back(batch_of(at, std::min<int64_t>(size, 10 - at)));
    ListSource source(batches);
    SampleShare aside(source, Share::Aside), fitted(source, Share::Fitted);
    for (int round = 0; round < 2; ++round) {
      aside.rewind();
      EXPECT_EQ(samples_of(aside), (Samples{3, 7})) << size;
      fitted.rewind();
      EXPECT_EQ(samples_of(fitted), (Samples{0, 1, 2, 4, 5, 6, 8, 9})) << size;
    }
  }
}

TEST(SampleShare, TensorsWithoutSamplesMakeABatchOne) {
  Batch batch = batch_of(0, 8);
  batch.push_back({"temperature", Tensor(DType::F32, {})});
  ListSource source({batch});
  EXPECT_FALSE(can_share(source));
  ListSource several({batch, batch, batch, batch});
  EXPECT_TRUE(can_share(several));
}

TEST(SampleShare, FourSamplesAreTheFewest) {
  ListSource three({batch_of(0, 3)}), four({batch_of(0, 4)});
  EXPECT_FALSE(can_share(three));
  EXPECT_TRUE(can_share(four));
}

}  // namespace
}  // namespace tfengine::detail
