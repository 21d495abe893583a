// SPDX-License-Identifier: Apache-2.0
// Channel means as bytes: what was written is read, and what is malformed is told.
#include "quantize/channel_means.h"

#include <gtest/gtest.h>

#include <limits>

#include "quantize/bytes.h"
#include "quantize/histogram_set.h"
#include "tfengine/error.h"

namespace tfengine::quantize {
namespace {

ChannelMeans some() { return {{"conv/Relu", {0.25f, -1.5f, 1e-20f}}, {"input", {0.5f}}, {"", {}}}; }

std::string message_of(std::string_view bytes) {
  try {
    parse_channel_means(bytes, "'means'");
  } catch (const InvalidModel& error) {
    return error.what();
  }
  return "no error";
}

TEST(ChannelMeans, AreReadAsTheyWereWritten) {
  const std::string bytes = serialize(some());
  EXPECT_EQ(parse_channel_means(bytes, "'means'"), some());
  EXPECT_EQ(serialize(parse_channel_means(bytes, "'means'")), bytes);
  EXPECT_TRUE(parse_channel_means(serialize(ChannelMeans()), "'means'").empty());
  std::set<std::string> non_negative;
  EXPECT_EQ(parse_channel_means(serialize(some(), {"image", "relu"}), "'means'", &non_negative), some());
  EXPECT_EQ(non_negative, (std::set<std::string>{"image", "relu"}));
}

TEST(ChannelMeans, TakeFourBytesForEachChannel) {
  const size_t none = serialize(ChannelMeans{{"x", {}}}).size();
  EXPECT_EQ(serialize(ChannelMeans{{"x", std::vector<float>(100, 1.0f)}}).size(), none + 400);
}

TEST(ChannelMeans, DamageIsTold) {
  const std::string bytes = serialize(some());
  EXPECT_EQ(message_of("TRT-8600-EntropyCalibration2\n"),
            "'means': not channel means (it does not start with 'TFEMEANS')");
  EXPECT_EQ(message_of(bytes.substr(0, 12)), "'means': truncated: only 12 bytes");
  for (size_t at = 12; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_EQ(message_of(damaged), "'means': checksum mismatch: the file is truncated or corrupted") << at;
  }
}

TEST(ChannelMeans, WhatMeansNothingIsTold) {
  const auto block = [](auto&& fill) {
    ByteWriter out = begin_block("TFEMEANS", 2);
    fill(out);
    return end_block(std::move(out));
  };
  EXPECT_EQ(message_of(end_block(begin_block("TFEMEANS", 9))), "'means': format version 9, expected 2");
  EXPECT_EQ(message_of(block([](ByteWriter& out) {
              out.varint(1);
              out.string("x");
              out.varint(uint64_t{1} << 60);
            })),
            "'means': tensor 'x' has 1152921504606846976 channels, and only 0 bytes follow");
  EXPECT_EQ(message_of(block([](ByteWriter& out) {
              out.varint(1);
              out.string("x");
              out.varint(1);
              out.f32(std::numeric_limits<float>::infinity());
            })),
            "'means': tensor 'x' has the mean inf");
  EXPECT_EQ(message_of(block([](ByteWriter& out) {
              out.varint(2);
              for (int i = 0; i < 2; ++i) {
                out.string("x");
                out.varint(0);
              }
            })),
            "'means': tensor 'x' is there twice");
  EXPECT_EQ(message_of(block([](ByteWriter& out) {
              out.varint(0);
              out.varint(0);
              out.varint(0);
            })),
            "'means': 1 bytes too many");
}

TEST(ChannelMeans, OfACalibrationAreThoseOfItsUsableSums) {
  HistogramSet set;
  const std::vector<float> rows = {1, 10, 3, 30};
  set.channel_sums["x"].add_sample(rows.data(), 2, 2, 2);
  const float infinite = std::numeric_limits<float>::infinity();
  set.channel_sums["broken"].add_sample(&infinite, 1, 1, 1);
  EXPECT_EQ(set.channel_means(), (ChannelMeans{{"x", {2.0f, 20.0f}}}));
}

}  // namespace
}  // namespace tfengine::quantize
