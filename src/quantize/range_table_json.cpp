// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/json_object.h"
#include "quantize/range_table.h"

namespace tfengine::quantize {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kFormat = "tfengine ranges";
constexpr int kVersion = 1;

const Json& member(const Json& object, const char* key, const std::string& what, const std::string& where) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found == object.end()) fail<InvalidModel>("{}: '{}' is missing in {}", what, key, where);
  return *found;
}

ir::RangeSource source_from_name(const std::string& name, const std::string& what) {
  if (const auto source = find_source(name)) return *source;
  fail<InvalidModel>("{}: range source '{}', expected custom, calibrated or rule", what, name);
}

RangeEntry entry_from(const Json& json, const std::string& name, const std::string& what) {
  const std::string where = "tensor '" + name + "'";
  RangeEntry entry;
  entry.max_abs = member(json, "max_abs", what, where).get<float>();
  if (!std::isfinite(entry.max_abs) || entry.max_abs < 0.0f) {
    fail<InvalidModel>("{}: max_abs of {} is {}, expected a finite number of at least 0", what, where, entry.max_abs);
  }
  if (json.contains("source")) entry.source = source_from_name(json["source"].get<std::string>(), what);
  if (json.contains("non_negative")) entry.non_negative = json["non_negative"].get<bool>();
  if (json.contains("origin")) entry.origin = json["origin"].get<std::string>();
  if (json.contains("low")) entry.low = json["low"].get<float>();
  if (json.contains("high")) entry.high = json["high"].get<float>();
  if (!(entry.low <= entry.high)) {
    fail<InvalidModel>("{}: the values of {} go from {} to {}, expected numbers in order", what, where, entry.low,
                       entry.high);
  }
  return entry;
}

}  // namespace

std::string to_json(const RangeTable& table) {
  Json tensors = Json::object();
  for (const auto& [name, entry] : table.entries()) {
    tensors[name] = json_object({{"max_abs", entry.max_abs},
                                 {"source", source_name(entry.source)},
                                 {"non_negative", entry.non_negative},
                                 {"origin", entry.origin}});
    // JSON has no infinity.
    if (std::isfinite(entry.low)) tensors[name]["low"] = entry.low;
    if (std::isfinite(entry.high)) tensors[name]["high"] = entry.high;
  }
  const Json document = json_object({{"format", kFormat}, {"version", kVersion}, {"tensors", std::move(tensors)}});
  // Names of tensors come from untrusted graphs and need not be UTF-8.
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

RangeTable range_table_from_json(std::string_view text, const std::string& what) {
  RangeTable table;
  try {
    const Json document = Json::parse(text);
    if (member(document, "format", what, "the file") != kFormat) {
      fail<InvalidModel>("{}: format is {}, expected \"{}\"", what, document["format"].dump(), kFormat);
    }
    if (member(document, "version", what, "the file") != kVersion) {
      fail<InvalidModel>("{}: version is {}, expected {}", what, document["version"].dump(), kVersion);
    }
    const Json& tensors = member(document, "tensors", what, "the file");
    if (!tensors.is_object())
      fail<InvalidModel>("{}: 'tensors' is a {}, expected an object", what, tensors.type_name());
    for (const auto& [name, entry] : tensors.items()) table.set(name, entry_from(entry, name, what));
  } catch (const Json::exception& error) {
    fail<InvalidModel>("{}: not a table of ranges: {}", what, error.what());
  }
  return table;
}

}  // namespace tfengine::quantize
