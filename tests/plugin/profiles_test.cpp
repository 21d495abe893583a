// SPDX-License-Identifier: Apache-2.0
// Profiles as the converter writes them: which shapes they hold.
#include "plugin/profiles.h"

#include <gtest/gtest.h>

#include "tfengine/error.h"

namespace tfengine::plugin {
namespace {

TEST(Profiles, HoldWhatOneOfThemHolds) {
  const Profiles profiles = Profiles::parse("1-32,8,8,1|4;64,8,8,1|4");
  EXPECT_FALSE(profiles.empty());
  for (const int64_t batch : {1, 7, 32, 64}) EXPECT_TRUE(profiles.hold({{batch, 8, 8, 1}, {4}})) << batch;
  for (const int64_t batch : {0, 33, 63, 65}) EXPECT_FALSE(profiles.hold({{batch, 8, 8, 1}, {4}})) << batch;
  EXPECT_FALSE(profiles.hold({{7, 8, 9, 1}, {4}}));
  EXPECT_FALSE(profiles.hold({{7, 8, 8, 1}, {5}}));
}

TEST(Profiles, OtherRanksAndNumbersOfInputsAreOutside) {
  const Profiles profiles = Profiles::parse("1-32,8");
  EXPECT_FALSE(profiles.hold({{4}}));
  EXPECT_FALSE(profiles.hold({{4, 8, 1}}));
  EXPECT_FALSE(profiles.hold({{4, 8}, {4, 8}}));
  EXPECT_FALSE(profiles.hold({}));
}

TEST(Profiles, ScalarsHaveNoDimensions) {
  const Profiles profiles = Profiles::parse("|2");
  EXPECT_TRUE(profiles.hold({{}, {2}}));
  EXPECT_FALSE(profiles.hold({{1}, {2}}));
}

TEST(Profiles, NoneIsEmpty) { EXPECT_TRUE(Profiles::parse("").empty()); }

TEST(Profiles, MistakesAreTold) {
  for (const char* dimension : {"x", "-", "3-", "-3", "3-1", "1-2-3", "99999999999999999999"}) {
    const std::string text = std::string("4,") + dimension;
    try {
      Profiles::parse(text);
      FAIL() << text;
    } catch (const InvalidArgument& error) {
      EXPECT_EQ(std::string(error.what()), "profiles '" + text + "': got the dimension '" + dimension +
                                               "', expected a number or a range such as 1-32");
    }
  }
}

}  // namespace
}  // namespace tfengine::plugin
