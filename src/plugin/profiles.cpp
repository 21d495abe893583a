// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiles.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace tfengine::plugin {

namespace {

// An empty text has one empty part: a scalar has no dimensions, yet is an input.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at != std::string_view::npos;) {
    const size_t end = text.find(separator, at);
    parts.push_back(text.substr(at, end == std::string_view::npos ? end : end - at));
    at = end == std::string_view::npos ? end : end + 1;
  }
  return parts;
}

bool read_number(std::string_view text, int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 0;
}

}  // namespace

Profiles::InputRanges Profiles::parse_input(std::string_view text, std::string_view whole) {
  InputRanges ranges;
  if (text.empty()) return ranges;
  for (const std::string_view dim : split(text, ',')) {
    const size_t dash = dim.find('-');
    Range range;
    const bool read = read_number(dim.substr(0, dash), range.least) &&
                      read_number(dash == std::string_view::npos ? dim : dim.substr(dash + 1), range.most);
    if (!read || range.most < range.least) {
      fail<InvalidArgument>("profiles '{}': got the dimension '{}', expected a number or a range such as 1-32", whole,
                            dim);
    }
    ranges.push_back(range);
  }
  return ranges;
}

Profiles Profiles::parse(std::string_view text) {
  Profiles result;
  if (text.empty()) return result;
  for (const std::string_view profile : split(text, ';')) {
    std::vector<InputRanges>& inputs = result.profiles_.emplace_back();
    for (const std::string_view input : split(profile, '|')) inputs.push_back(parse_input(input, text));
  }
  return result;
}

bool Profiles::hold(const std::vector<Shape>& shapes) const {
  const auto inside = [](const Shape& shape, const InputRanges& ranges) {
    return std::equal(shape.begin(), shape.end(), ranges.begin(), ranges.end(),
                      [](int64_t size, const Range& range) { return size >= range.least && size <= range.most; });
  };
  return std::any_of(profiles_.begin(), profiles_.end(), [&](const std::vector<InputRanges>& inputs) {
    return std::equal(shapes.begin(), shapes.end(), inputs.begin(), inputs.end(), inside);
  });
}

}  // namespace tfengine::plugin
