// SPDX-License-Identifier: Apache-2.0
#include "quantize/tables/onnx_runtime.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/json_object.h"
#include "onnx_runtime_generated.h"

namespace tfengine::quantize {

namespace {

using Json = nlohmann::json;

constexpr const char* kOrigin = "ONNX Runtime table";

void add(RangeTable& table, const std::string& name, double low, double high, const std::string& what) {
  const auto max_abs = static_cast<float>(std::max(std::abs(low), std::abs(high)));
  if (!std::isfinite(low) || !std::isfinite(high) || !std::isfinite(max_abs) || low > high) {
    fail<InvalidModel>("{}: tensor '{}' has the range [{}, {}], expected finite numbers in order", what, name, low,
                       high);
  }
  if (table.find(name) != nullptr) fail<InvalidModel>("{}: tensor '{}' is there twice", what, name);
  table.set(name, {max_abs, ir::RangeSource::Calibrated, low >= 0.0, kOrigin, static_cast<float>(low),
                   static_cast<float>(high)});
}

// The magnitude as text and flatbuffer have it.
void add_text(RangeTable& table, const std::string& name, std::string_view number, const std::string& what) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || !(value >= 0.0)) {
    fail<InvalidModel>("{}: tensor '{}' has the range '{}', expected a number of at least 0", what, name,
                       number.substr(0, 40));
  }
  add(table, name, -value, value, what);
}

// A number, or an array of one: plain, or as numpy arrays are written, {"data": ..., "dtype": ..., "CLS": "numpy.array"}.
double number_from(const Json& json, const std::string& name, const std::string& what) {
  const Json* at = &json;
  for (int depth = 0; depth < 4; ++depth) {
    if (at->is_object() && at->contains("data")) {
      at = &(*at)["data"];
    } else if (at->is_array() && at->size() == 1) {
      at = &at->front();
    } else {
      break;
    }
  }
  if (!at->is_number()) {
    fail<InvalidModel>("{}: the range of tensor '{}' holds a {}, expected one number for the tensor", what, name,
                       at->type_name());
  }
  return at->get<double>();
}

void add_entry(RangeTable& table, const std::string& name, const Json& entry, const std::string& what) {
  if (entry.is_array() && entry.size() >= 2) {
    return add(table, name, number_from(entry[0], name, what), number_from(entry[1], name, what), what);
  }
  if (entry.is_object() && entry.contains("lowest") && entry.contains("highest")) {
    return add(table, name, number_from(entry["lowest"], name, what), number_from(entry["highest"], name, what), what);
  }
  fail<InvalidModel>("{}: tensor '{}' has no 'lowest' and 'highest'", what, name);
}

Json numpy_number(float value) { return json_object({{"data", value}, {"dtype", "float32"}, {"CLS", "numpy.array"}}); }

}  // namespace

RangeTable parse_onnx_runtime_json(std::string_view text, const std::string& what) {
  RangeTable table;
  try {
    const Json document = Json::parse(text);
    if (!document.is_object())
      fail<InvalidModel>("{}: a {}, expected an object of tensors", what, document.type_name());
    const bool wrapped = document.contains("CLS") && document.contains("data") && document["data"].is_object();
    for (const auto& [name, entry] : (wrapped ? document["data"] : document).items()) {
      add_entry(table, name, entry, what);
    }
  } catch (const Json::exception& error) {
    fail<InvalidModel>("{}: not a table of ranges: {}", what, error.what());
  }
  return table;
}

RangeTable parse_onnx_runtime_text(std::string_view text, const std::string& what) {
  RangeTable table;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) continue;
    const size_t border = line.rfind(' ');
    if (border == std::string_view::npos || border == 0) {
      fail<InvalidModel>("{}: line {}: expected '<tensor> <range>', got '{}'", what, number, line.substr(0, 80));
    }
    add_text(table, std::string(line.substr(0, border)), line.substr(border + 1), what);
  }
  if (table.empty()) fail<InvalidModel>("{}: an empty table", what);
  return table;
}

RangeTable parse_onnx_runtime_flatbuffer(std::string_view bytes, const std::string& what) {
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (!verifier.VerifyBuffer<fb::OnnxRuntimeTable>(nullptr)) {
    fail<InvalidModel>("{}: not a flatbuffer with a calibration table, or damaged", what);
  }
  RangeTable table;
  const auto* root = flatbuffers::GetRoot<fb::OnnxRuntimeTable>(bytes.data());
  if (root->entries() == nullptr) fail<InvalidModel>("{}: an empty table", what);
  for (const fb::Entry* entry : *root->entries()) {
    if (entry->tensor() == nullptr || entry->max_abs() == nullptr) {
      fail<InvalidModel>("{}: an entry without a tensor or without a range", what);
    }
    add_text(table, entry->tensor()->str(), entry->max_abs()->string_view(), what);
  }
  return table;
}

std::string format_onnx_runtime_json(const RangeTable& table) {
  Json data = Json::object();
  for (const auto& [name, entry] : table.entries()) {
    data[name] = json_object({{"CLS", "TensorData"},
                              {"lowest", numpy_number(entry.non_negative ? 0.0f : std::max(entry.low, -entry.max_abs))},
                              {"highest", numpy_number(std::min(entry.high, entry.max_abs))}});
  }
  const Json document = json_object(
      {{"CLS", "TensorsData"},
       {"data", std::move(data)},
       {"calibration_method", json_object({{"CLS", "CalibrationMethod"}, {"value", "CalibrationMethod.MinMax"}})}});
  // Names of tensors come from untrusted graphs and need not be UTF-8.
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string format_onnx_runtime_text(const RangeTable& table) {
  std::string text;
  for (const auto& [name, entry] : table.entries()) {
    if (name.find_first_of("\r\n") != std::string::npos) {
      fail<InvalidArgument>("tensor name '{}' has a line end, which a table of text cannot hold", name);
    }
    text += fmt::format("{} {}\n", name, entry.max_abs);
  }
  return text;
}

std::string format_onnx_runtime_flatbuffer(const RangeTable& table) {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<flatbuffers::Offset<fb::Entry>> entries;
  // In the order of the names, in which the reader looks them up.
  for (const auto& [name, entry] : table.entries()) {
    const auto tensor = builder.CreateString(name);
    const auto max_abs = builder.CreateString(fmt::format("{}", entry.max_abs));
    entries.push_back(fb::CreateEntry(builder, tensor, max_abs));
  }
  builder.Finish(fb::CreateOnnxRuntimeTable(builder, builder.CreateVector(entries)));
  return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

}  // namespace tfengine::quantize
