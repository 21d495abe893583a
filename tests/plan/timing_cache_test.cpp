// SPDX-License-Identifier: Apache-2.0
#include "plan/timing_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "tfengine/error.h"

namespace tfengine::plan {
namespace {

std::filesystem::path scratch(const std::string& name) {
  return std::filesystem::path(testing::TempDir()) / (name + std::to_string(getpid()));
}

std::string message_of(const std::filesystem::path& path) {
  try {
    TimingCache().load(path);
  } catch (const InvalidModel& error) {
    return error.what();
  }
  return "";
}

TEST(TimingCache, RoundTrip) {
  TimingCache cache;
  cache.add("Conv2D t2", "dnnl:jit", 12.5);
  cache.add("Conv2D t2", "own", 7.25);
  EXPECT_TRUE(cache.changed());
  const auto path = scratch("timing");
  cache.save(path);
  TimingCache again;
  again.load(path);
  EXPECT_EQ(again.size(), 2u);
  EXPECT_EQ(again.find("Conv2D t2", "own"), 7.25);
  EXPECT_EQ(again.find("Conv2D t1", "own"), std::nullopt);
  EXPECT_FALSE(again.changed());
  std::filesystem::remove(path);
}

TEST(TimingCache, MissingFileIsEmpty) {
  TimingCache cache;
  cache.load(scratch("no_such"));
  EXPECT_EQ(cache.size(), 0u);
}

TEST(TimingCache, RefusesOtherFiles) {
  const auto path = scratch("other");
  std::ofstream(path) << "hello\n";
  EXPECT_EQ(message_of(path),
            "timing cache '" + path.string() +
                "': first line is 'hello', expected '# tfengine timing cache 1: time_us <tab> cpu | step | tactic'");
  std::filesystem::remove(path);
}

TEST(TimingCache, RefusesMalformedLines) {
  const auto path = scratch("malformed");
  std::ofstream(path) << "# tfengine timing cache 1: time_us <tab> cpu | step | tactic\n1.5\ta\nabc\tb\n";
  EXPECT_EQ(message_of(path),
            "timing cache '" + path.string() + "': line 3 is malformed, expected 'time_us <tab> key'");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace tfengine::plan
