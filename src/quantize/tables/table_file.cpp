// SPDX-License-Identifier: Apache-2.0
#include "quantize/tables/table_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "quantize/calibration_cache.h"
#include "quantize/tables/onnx_runtime.h"

namespace tfengine::quantize {

namespace {

constexpr std::array<std::string_view, 5> kNames = {"tfengine", "tensorrt", "onnxruntime-json", "onnxruntime-text",
                                                    "onnxruntime-flatbuffers"};

// A document whose own member "format" says so; a tensor of that name has an object there.
bool is_tfengine_json(std::string_view text) {
  const auto document = nlohmann::json::parse(text, nullptr, false);
  return document.is_object() && document.contains("format") && document["format"].is_string();
}

bool is_hex(std::string_view text) {
  return text.size() == 8 &&
         std::all_of(text.begin(), text.end(), [](char c) { return std::isxdigit(static_cast<uint8_t>(c)) != 0; });
}

// A cache has its head line, or its first line ends with ": " and a scale.
bool is_tensorrt(std::string_view text) {
  if (text.substr(0, 4) == "TRT-" || text.substr(0, 2) == "1\n") return true;
  std::string_view line = text.substr(0, text.find('\n'));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  const size_t border = line.rfind(": ");
  return border != std::string_view::npos && is_hex(line.substr(border + 2));
}

TableFormat format_of(std::string_view bytes) {
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && bytes[first] == '{') {
    return is_tfengine_json(bytes) ? TableFormat::Tfengine : TableFormat::OnnxRuntimeJson;
  }
  // Text has no zero bytes, offsets in a flatbuffer always do.
  if (bytes.find('\0') != std::string_view::npos) return TableFormat::OnnxRuntimeFlatbuffers;
  return is_tensorrt(bytes) ? TableFormat::TensorRt : TableFormat::OnnxRuntimeText;
}

}  // namespace

std::span<const std::string_view> table_format_names() { return kNames; }

std::string_view table_format_name(TableFormat format) { return kNames[static_cast<size_t>(format)]; }

TableFormat table_format_from_name(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) {
    fail<InvalidArgument>("table format '{}' is unknown, expected one of {}", name, fmt::join(kNames, ", "));
  }
  return static_cast<TableFormat>(found - kNames.begin());
}

TableFile parse_table(std::string_view bytes, const std::string& what) {
  TableFile file;
  file.format = format_of(bytes);
  switch (file.format) {
    case TableFormat::Tfengine:
      file.table = range_table_from_json(bytes, what);
      break;
    case TableFormat::TensorRt: {
      CalibrationCache cache = parse_calibration_cache(bytes, what);
      file.algorithm = std::move(cache.algorithm);
      file.table = std::move(cache.table);
      break;
    }
    case TableFormat::OnnxRuntimeJson:
      file.table = parse_onnx_runtime_json(bytes, what);
      break;
    case TableFormat::OnnxRuntimeText:
      file.table = parse_onnx_runtime_text(bytes, what);
      break;
    case TableFormat::OnnxRuntimeFlatbuffers:
      file.table = parse_onnx_runtime_flatbuffer(bytes, what);
      break;
  }
  return file;
}

std::string format_table(const RangeTable& table, TableFormat format, std::string_view calibrator) {
  switch (format) {
    case TableFormat::TensorRt:
      return format_calibration_cache(table, calibrator);
    case TableFormat::OnnxRuntimeJson:
      return format_onnx_runtime_json(table);
    case TableFormat::OnnxRuntimeText:
      return format_onnx_runtime_text(table);
    case TableFormat::OnnxRuntimeFlatbuffers:
      return format_onnx_runtime_flatbuffer(table);
    case TableFormat::Tfengine:
      break;
  }
  return to_json(table);
}

std::vector<TableDifference> compare_tables(const RangeTable& first, const RangeTable& second, double tolerance) {
  std::vector<TableDifference> differences;
  for (const auto& [name, entry] : first.entries()) {
    const RangeEntry* other = second.find(name);
    const double apart = other == nullptr ? 0.0 : std::abs(double{entry.max_abs} - double{other->max_abs});
    const double size = other == nullptr ? 0.0 : std::max(double{entry.max_abs}, double{other->max_abs});
    if (other == nullptr || apart > tolerance * size) differences.push_back({name, &entry, other});
  }
  for (const auto& [name, entry] : second.entries()) {
    if (first.find(name) == nullptr) differences.push_back({name, nullptr, &entry});
  }
  std::sort(differences.begin(), differences.end(),
            [](const TableDifference& a, const TableDifference& b) { return a.tensor < b.tensor; });
  return differences;
}

}  // namespace tfengine::quantize
