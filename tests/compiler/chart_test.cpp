// SPDX-License-Identifier: Apache-2.0
#include "compiler/chart.h"

#include <gtest/gtest.h>

#include <regex>

namespace tfengine::detail {
namespace {

TEST(Chart, BytesInWords) {
  EXPECT_EQ(short_bytes(0), "0");
  EXPECT_EQ(short_bytes(1023), "1023 B");
  EXPECT_EQ(short_bytes(65536), "64 KiB");
  EXPECT_EQ(short_bytes(1.5 * 1024 * 1024), "1.5 MiB");
  EXPECT_EQ(short_bytes(1073741824.0), "1 GiB");
}

// Elements nest, and no number is anything but a number inside the picture.
void expect_drawn(const std::string& svg, double width) {
  int open = 0;
  const std::regex element("<(/?)([a-z]+)[^<>]*?(/?)>"), point("cx=\"([^\"]*)\" cy=\"([^\"]*)\"");
  for (std::sregex_iterator at(svg.begin(), svg.end(), element), end; at != end; ++at) {
    if ((*at)[3].length() > 0) continue;
    open += (*at)[1].length() > 0 ? -1 : 1;
    ASSERT_GE(open, 0);
  }
  EXPECT_EQ(open, 0);
  for (std::sregex_iterator at(svg.begin(), svg.end(), point), end; at != end; ++at) {
    const double x = std::stod((*at)[1]), y = std::stod((*at)[2]);
    EXPECT_TRUE(x >= 0 && x <= width && y >= 0 && y <= 360) << x << " " << y;
  }
}

size_t count(const std::string& text, const std::string& what) {
  size_t found = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

TEST(Chart, DrawsEveryPoint) {
  const std::string svg =
      to_svg({{"time", "limit", "ms", {{"fp32", {{0, 9}, {65536, 7.5}, {1048576, 3}}}, {"int8", {{0, 2}}}}},
              {"memory", "total", "ms", {{"fp32", {{5e6, 4}, {6e6, 3}}}}}});
  expect_drawn(svg, 1120);
  EXPECT_EQ(count(svg, "<circle"), 6u);
  EXPECT_EQ(count(svg, "<path"), 3u);
  EXPECT_EQ(count(svg, ">int8<"), 1u);
}

TEST(Chart, NothingToDraw) {
  expect_drawn(to_svg({{"empty", "x", "y", {}}}), 560);
  expect_drawn(to_svg({{"zero", "x", "y", {{"a", {{0, 0}}}}}}), 560);
  expect_drawn(to_svg({}), 1);
}

TEST(Chart, NamesAreEscaped) {
  const std::string svg = to_svg({{"<a & \"b\">\n", "x", "y", {}}});
  expect_drawn(svg, 560);
  EXPECT_NE(svg.find("&lt;a &amp; &quot;b&quot;&gt;<"), std::string::npos);
}

}  // namespace
}  // namespace tfengine::detail
