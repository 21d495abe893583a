// SPDX-License-Identifier: Apache-2.0
// What an engine says about its memory adds up, and its picture is a picture.
#include "tfengine/memory_report.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/digits.h"

namespace tfengine {
namespace {

constexpr uint64_t kAlign = 64;

uint64_t aligned(uint64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

MemoryDetails details_of(const std::string& model, int64_t batch) {
  const Engine engine = convert(testing::digits_model(model), testing::digits_options(nullptr, batch));
  engine.prepare({testing::digits_shape(batch)});
  return engine.memory_details();
}

class MemoryReportTest : public ::testing::TestWithParam<const char*> {};

TEST_P(MemoryReportTest, LiveBytesAddUp) {
  const MemoryDetails details = details_of(GetParam(), 3);
  ASSERT_FALSE(details.steps.empty());
  ASSERT_FALSE(details.tensors.empty());
  std::vector<uint64_t> live(details.steps.size(), 0), live_aligned(details.steps.size(), 0);
  uint64_t end = 0;
  for (const ArenaTensor& tensor : details.tensors) {
    ASSERT_LE(0, tensor.first_step);
    ASSERT_LE(tensor.first_step, tensor.last_step);
    ASSERT_LT(static_cast<size_t>(tensor.last_step), details.steps.size());
    for (int step = tensor.first_step; step <= tensor.last_step; ++step) {
      live[static_cast<size_t>(step)] += tensor.bytes;
      live_aligned[static_cast<size_t>(step)] += aligned(tensor.bytes);
    }
    end = std::max(end, tensor.offset + aligned(tensor.bytes));
  }
  for (size_t i = 0; i < live.size(); ++i) EXPECT_EQ(details.steps[i].live_bytes, live[i]) << i;
  EXPECT_EQ(details.report.activation_bytes, end);
  EXPECT_EQ(details.report.activation_lower_bound_bytes, *std::max_element(live_aligned.begin(), live_aligned.end()));
  EXPECT_EQ(live_aligned[static_cast<size_t>(details.peak_step)], details.report.activation_lower_bound_bytes);
  EXPECT_EQ(details.report.peak_layer, details.steps[static_cast<size_t>(details.peak_step)].name);
  EXPECT_GE(details.report.naive_activation_bytes, details.report.activation_bytes);
}

TEST_P(MemoryReportTest, TensorsThatLiveTogetherLieApart) {
  const MemoryDetails details = details_of(GetParam(), 2);
  for (size_t a = 0; a < details.tensors.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      const ArenaTensor &x = details.tensors[a], &y = details.tensors[b];
      const bool together = x.first_step <= y.last_step && y.first_step <= x.last_step;
      EXPECT_TRUE(!together || x.offset + x.bytes <= y.offset || y.offset + y.bytes <= x.offset)
          << x.name << " and " << y.name;
    }
  }
}

TEST_P(MemoryReportTest, ThePictureHasABoxForEachTensor) {
  const MemoryDetails details = details_of(GetParam(), 1);
  const std::string svg = memory_timeline_svg(details, "a <b> & \"c\"");
  EXPECT_EQ(svg.find("<svg xmlns=\"http://www.w3.org/2000/svg\""), 0u);
  EXPECT_EQ(svg.substr(svg.size() - 7), "</svg>\n");
  EXPECT_NE(svg.find("a &lt;b&gt; &amp; &quot;c&quot;"), std::string::npos);
  size_t boxes = 0;
  for (size_t at = svg.find("<title>"); at != std::string::npos; at = svg.find("<title>", at + 1)) ++boxes;
  EXPECT_EQ(boxes, details.tensors.size());
  EXPECT_NE(svg.find("peak: step "), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Networks, MemoryReportTest, ::testing::Values("cnn.pb", "separable.pb"),
                         [](const auto& info) { return std::string(info.param).substr(0, 3); });

TEST(MemoryReport, OfAnEngineOfNothing) {
  const MemoryDetails empty;
  EXPECT_NE(memory_timeline_svg(empty, "empty").find("</svg>"), std::string::npos);
}

TEST(MemoryAdvice, NamesALimitThatIsEnoughAndOthersThatFree) {
  const Engine engine = convert(testing::digits_model(), testing::digits_options());
  engine.prepare({testing::digits_shape(64)});
  engine.prepare({testing::digits_shape(1)});
  const MemoryDetails details = engine.memory_details();
  const auto value_of = [&](const std::string& setting) {
    const auto found = std::find_if(details.advice.begin(), details.advice.end(),
                                    [&](const MemoryAdvice& row) { return row.setting == setting; });
    return found == details.advice.end() ? uint64_t{0} : found->value;
  };
  EXPECT_EQ(value_of("memory_limit_bytes"), details.report.peak_bytes);
  EXPECT_EQ(value_of("maximum_cached_bytes"), details.report.peak_bytes);
  const testing::EngineBytes bytes(engine);
  EngineOptions options = testing::digits_options().engine;
  options.memory_limit_bytes = value_of("memory_limit_bytes");
  EXPECT_EQ(testing::digits_scores(bytes.load(options), 1).size(), 10u);
}

}  // namespace
}  // namespace tfengine
