// SPDX-License-Identifier: Apache-2.0
#include "quantize/histogram_set.h"

#include <gtest/gtest.h>

#include <unistd.h>
#include <cstring>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "quantize/random_data.h"
#include "tfengine/error.h"

namespace tfengine::quantize {
namespace {

float row_peak(Rng& rng) { return std::abs(normal(rng, 1)[0]); }

HistogramSet example(uint64_t seed) {
  Rng rng(seed);
  HistogramSet set;
  set.model_hash = "model";
  set.preprocessing_hash = "scale=1";
  set.samples = 64;
  for (const char* name : {"conv/Relu", "odd name (Unnamed Layer* 4) [Fully Connected]_output:0"}) {
    const std::vector<float> values = wild(rng, 700);
    set.tensors[name].add(values.data(), values.size());
  }
  const float zero = 0.0f;
  set.tensors["dead"].add(&zero, 1);
  set.tensors["unseen"];
  const std::vector<float> row = normal(rng, 5);
  set.given["scores"] = {2.5f, true, "fake_quant"};
  set.samples_seen = SampleLog({"conv/Relu", "dead"}, {{"image", true}});
  for (uint64_t i = 0; i < 3; ++i) {
    set.samples_seen.add({seed * 1000 + i, {row_peak(rng), SampleRecord::kUnseen}, {{-1.0f, 1.0f, row_peak(rng)}}});
  }
  set.channel_sums["conv/Relu"].add_sample(row.data(), 1, 5, 5);
  return set;
}

std::string message_of(const std::string& bytes) {
  try {
    parse_histogram_set(bytes, "'h.bin'");
  } catch (const InvalidModel& error) {
    return error.what();
  }
  return "";
}

// The checksum of a changed body made right again, to reach the checks behind it.
std::string with_checksum(std::string body) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char byte : body) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3u;
  for (int i = 0; i < 8; ++i) body.push_back(static_cast<char>(hash >> (8 * i)));
  return body;
}

TEST(HistogramSet, ReadsBackWhatItWrote) {
  const HistogramSet set = example(1);
  EXPECT_EQ(parse_histogram_set(serialize(set), "memory"), set);
  EXPECT_EQ(parse_histogram_set(serialize(HistogramSet()), "memory"), HistogramSet());
}

TEST(HistogramSet, MergesWorkersOfOneRun) {
  HistogramSet set = example(1);
  set.merge(example(2));
  EXPECT_EQ(set.samples, 128u);
  EXPECT_EQ(set.tensors["dead"].moments().zeros, 2u);
  EXPECT_EQ(set.tensors["conv/Relu"].moments().count, 1400u);
  EXPECT_EQ(set.samples_seen.records().size(), 6u);
  EXPECT_EQ(set.given.size(), 1u);
  HistogramSet other = example(3);
  other.model_hash = "another";
  EXPECT_THROW(set.merge(other), InvalidArgument);
}

TEST(HistogramSet, RefusesEveryChangedByteAndEveryTruncation) {
  const std::string good = serialize(example(1));
  for (size_t i = 0; i < good.size(); i += 1 + i / 64) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    EXPECT_THROW(parse_histogram_set(bad, "bad"), InvalidModel) << i;
    EXPECT_THROW(parse_histogram_set(good.substr(0, i), "bad"), InvalidModel) << i;
  }
}

TEST(HistogramSet, SurvivesHostileBytesBehindAValidChecksum) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(seed);
  Rng rng(seed);
  const std::string good = serialize(example(1));
  const std::string body = good.substr(0, good.size() - 8);
  for (int round = 0; round < 2000; ++round) {
    std::string bad = body;
    for (int changes = 0; changes < 3; ++changes) bad[12 + rng() % (bad.size() - 12)] = static_cast<char>(rng());
    if (round % 2 == 0) bad.resize(12 + rng() % (bad.size() - 12));
    try {
      parse_histogram_set(with_checksum(bad), "hostile");
    } catch (const InvalidModel&) {
    }
  }
}

TEST(HistogramSet, RefusesARangeThatItsBinsDoNotCover) {
  HistogramSet set;
  const float value = 3.0f;
  set.tensors["x"].add(&value, 1);
  std::string body = serialize(set);
  body.resize(body.size() - 8);
  constexpr size_t kMax = 12 + 4 + 2 + 4;  // behind the head, the hashes and counts, the name, the minimum
  const float far = 1e30f;
  std::memcpy(body.data() + kMax, &far, sizeof far);
  EXPECT_EQ(message_of(with_checksum(body)), "'h.bin': tensor 'x' has the range [3, 1e+30], but its bins end at 4");
}

TEST(HistogramSet, SaysWhatIsWrong) {
  EXPECT_EQ(message_of("PK\3\4"), "'h.bin': not a file of calibration histograms (it does not start with 'TFEHISTO')");
  EXPECT_EQ(message_of("TFEHISTO"), "'h.bin': truncated: only 8 bytes");
  std::string version = serialize(HistogramSet());
  version[8] = 9;
  EXPECT_EQ(message_of(version), "'h.bin': format version 9, expected 4");
  std::string tail = serialize(HistogramSet());
  tail.resize(tail.size() - 8);
  EXPECT_EQ(message_of(with_checksum(tail + "xy")), "'h.bin': 2 bytes too many");
  EXPECT_EQ(message_of(serialize(example(1)).substr(0, 100)),
            "'h.bin': checksum mismatch: the file is truncated or corrupted");
}

TEST(HistogramSet, IsSavedWhole) {
  const auto folder = std::filesystem::temp_directory_path() / ("tfengine_histograms_" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const std::string path = (folder / "h.bin").string();
  save_histogram_set(example(1), path);
  save_histogram_set(example(2), path);
  EXPECT_EQ(load_histogram_set(path), example(2));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  EXPECT_THROW(save_histogram_set(example(1), (folder / "none" / "h.bin").string()), InvalidArgument);
  EXPECT_THROW(load_histogram_set((folder / "missing").string()), InvalidArgument);
  EXPECT_THROW(load_histogram_set(folder.string()), InvalidArgument);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tfengine::quantize
