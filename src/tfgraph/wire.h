// SPDX-License-Identifier: Apache-2.0
// Protocol buffer reading over protozero. Fields are matched by number and wire type together: a field of another wire
// type than its own is skipped as an unknown one, as protobuf does, and protozero's assertions cannot be reached.
#pragma once

#include <protozero/pbf_reader.hpp>

#include <bit>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace tfengine::tfgraph {

using Reader = protozero::pbf_reader;

constexpr uint32_t varint(uint32_t field) { return protozero::tag_and_type(field, protozero::pbf_wire_type::varint); }
constexpr uint32_t bytes(uint32_t field) {
  return protozero::tag_and_type(field, protozero::pbf_wire_type::length_delimited);
}
constexpr uint32_t fixed32(uint32_t field) { return protozero::tag_and_type(field, protozero::pbf_wire_type::fixed32); }
constexpr uint32_t fixed64(uint32_t field) { return protozero::tag_and_type(field, protozero::pbf_wire_type::fixed64); }

inline Reader reader(std::string_view message) { return Reader(message.data(), message.size()); }

inline std::string_view get_view(Reader& message) {
  const protozero::data_view view = message.get_view();
  return {view.data(), view.size()};
}
inline bool get_flag(Reader& message) { return message.get_uint64() != 0; }

// Packed fields of fixed width.
template <typename T>
void append_fixed(std::string_view packed, std::vector<T>& values) {
  if (packed.size() % sizeof(T) != 0) {
    fail<InvalidModel>("a packed field has {} bytes, expected a multiple of {}", packed.size(), sizeof(T));
  }
  const size_t before = values.size();
  values.resize(before + packed.size() / sizeof(T));
  if (!packed.empty()) std::memcpy(values.data() + before, packed.data(), packed.size());
}

// Packed varints.
template <typename T>
void append_varints(std::string_view packed, std::vector<T>& values) {
  const char* at = packed.data();
  const char* end = at + packed.size();
  while (at != end) values.push_back(static_cast<T>(protozero::decode_varint(&at, end)));
}

// A map<string, message or string> entry: key and the value's bytes.
struct MapEntry {
  std::string_view key;
  std::string_view value;
};
inline MapEntry map_entry(std::string_view message) {
  MapEntry entry;
  Reader fields = reader(message);
  while (fields.next()) {
    switch (fields.tag_and_type()) {
      case bytes(1):
        entry.key = get_view(fields);
        break;
      case bytes(2):
        entry.value = get_view(fields);
        break;
      default:
        fields.skip();
    }
  }
  return entry;
}

}  // namespace tfengine::tfgraph
