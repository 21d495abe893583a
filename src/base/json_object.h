// SPDX-License-Identifier: Apache-2.0
// JSON objects from a list of their fields, as nlohmann::json's own constructor makes them. That one (3.11) loses what it has
// made of the object when memory ends in the middle; this one does not.
#pragma once

#include <initializer_list>
#include <utility>

#include <nlohmann/json.hpp>

namespace tfengine {

struct JsonField {
  const char* name;
  mutable nlohmann::json value;  // moved out of the list, whose elements are const
};

inline nlohmann::json json_object(std::initializer_list<JsonField> fields) {
  nlohmann::json object = nlohmann::json::object();
  for (const JsonField& field : fields) object[field.name] = std::move(field.value);
  return object;
}

}  // namespace tfengine
