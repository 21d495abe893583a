// SPDX-License-Identifier: Apache-2.0
#include "quantize/calibration_cache.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <set>

#include "base/check.h"

namespace tfengine::quantize {

namespace {

constexpr std::string_view kPrefix = "TRT-";
constexpr float kLevels = 127.0f;

std::string_view next_line(std::string_view& text) {
  const size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

void read_header(std::string_view line, CalibrationCache& cache) {
  line.remove_prefix(kPrefix.size());
  const size_t dash = line.find('-');
  cache.version = line.substr(0, dash);
  if (dash != std::string_view::npos) cache.algorithm = line.substr(dash + 1);
}

float scale_from(std::string_view digits, const std::string& what, int number) {
  uint32_t bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
  if (digits.size() != 8 || error != std::errc() || end != digits.data() + digits.size()) {
    fail<InvalidModel>("{}: line {}: the scale is '{}', expected 8 hexadecimal digits", what, number, digits);
  }
  const auto scale = std::bit_cast<float>(bits);
  if (!std::isfinite(scale) || scale < 0.0f || !std::isfinite(scale * kLevels)) {
    fail<InvalidModel>("{}: line {}: the scale is {}, expected a finite number of at least 0", what, number, scale);
  }
  return scale;
}

}  // namespace

CalibrationCache parse_calibration_cache(std::string_view text, const std::string& what) {
  CalibrationCache cache;
  bool first = true;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = next_line(text);
    const bool header = std::exchange(first, false);
    if (line.empty()) continue;
    if (header && line.substr(0, kPrefix.size()) == kPrefix && line.find(": ") == std::string_view::npos) {
      read_header(line, cache);
      continue;
    }
    if (header && line == "1") continue;  // the version line of TensorRT 4 and older
    // Names hold spaces, brackets and colons: the last ": " is the border.
    const size_t border = line.rfind(": ");
    if (border == std::string_view::npos || border == 0) {
      fail<InvalidModel>("{}: line {}: expected '<tensor>: <8 hexadecimal digits>', got '{}'", what, number,
                         line.substr(0, 80));
    }
    const float scale = scale_from(line.substr(border + 2), what, number);
    cache.table.set(std::string(line.substr(0, border)),
                    {scale * kLevels, ir::RangeSource::Calibrated, false, "calibration cache"});
  }
  if (cache.version.empty() && cache.table.empty()) fail<InvalidModel>("{}: an empty calibration cache", what);
  return cache;
}

std::string format_calibration_cache(const RangeTable& table, std::string_view calibrator, std::string_view version) {
  const std::string_view algorithm = calibrator == "minmax"     ? "MinMaxCalibration"
                                     : calibrator == "legacy"   ? "LegacyCalibration"
                                     : calibrator == "entropy1" ? "EntropyCalibration"
                                                                : "EntropyCalibration2";
  std::string text = fmt::format("{}{}-{}\n", kPrefix, version, algorithm);
  for (const auto& [name, entry] : table.entries()) {
    if (name.find_first_of("\r\n") != std::string::npos) {
      fail<InvalidArgument>("tensor name '{}' has a line end, which a calibration cache cannot hold", name);
    }
    text += fmt::format("{}: {:08x}\n", name, std::bit_cast<uint32_t>(entry.max_abs / kLevels));
  }
  return text;
}

NameMismatch compare_names(const RangeTable& table, const std::vector<std::string>& wanted) {
  const std::set<std::string, std::less<>> known(wanted.begin(), wanted.end());
  NameMismatch result;
  for (const auto& [name, entry] : table.entries()) {
    if (known.count(name) == 0) result.not_in_graph.push_back(name);
  }
  for (const std::string& name : known) {
    if (table.find(name) == nullptr) result.not_in_table.push_back(name);
  }
  return result;
}

}  // namespace tfengine::quantize
