// SPDX-License-Identifier: Apache-2.0
#include "io/tfrecord.h"

#include <protozero/pbf_reader.hpp>

#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"

namespace tfengine::io {

namespace {

// uint64 length, its masked checksum, the record, its masked checksum.
constexpr size_t kFrameBytes = 12;
constexpr size_t kChecksumBytes = 4;

constexpr uint32_t bytes_field(uint32_t field) {
  return protozero::tag_and_type(field, protozero::pbf_wire_type::length_delimited);
}

std::string_view view(protozero::pbf_reader& message) {
  const protozero::data_view data = message.get_view();
  return {data.data(), data.size()};
}

protozero::pbf_reader reader(std::string_view message) { return {message.data(), message.size()}; }

void read_floats(std::string_view message, std::vector<float>& values) {
  protozero::pbf_reader list = reader(message);
  while (list.next()) {
    if (list.tag_and_type() == bytes_field(1)) {
      const std::string_view packed = view(list);
      if (packed.size() % sizeof(float) != 0)
        fail<InvalidModel>("a float list has {} bytes, expected a multiple of 4", packed.size());
      const size_t before = values.size();
      values.resize(before + packed.size() / sizeof(float));
      if (!packed.empty()) std::memcpy(values.data() + before, packed.data(), packed.size());
    } else if (list.tag_and_type() == protozero::tag_and_type(1, protozero::pbf_wire_type::fixed32)) {
      values.push_back(list.get_float());
    } else {
      list.skip();
    }
  }
}

void read_ints(std::string_view message, std::vector<int64_t>& values) {
  protozero::pbf_reader list = reader(message);
  while (list.next()) {
    if (list.tag_and_type() == bytes_field(1)) {
      const std::string_view packed = view(list);
      const char* at = packed.data();
      const char* end = at + packed.size();
      while (at != end) values.push_back(static_cast<int64_t>(protozero::decode_varint(&at, end)));
    } else if (list.tag_and_type() == protozero::tag_and_type(1, protozero::pbf_wire_type::varint)) {
      values.push_back(list.get_int64());
    } else {
      list.skip();
    }
  }
}

Feature read_lists(std::string_view message) {
  Feature feature;
  protozero::pbf_reader fields = reader(message);
  while (fields.next()) {
    switch (fields.tag_and_type()) {
      case bytes_field(1): {
        protozero::pbf_reader list = reader(view(fields));
        while (list.next()) {
          if (list.tag_and_type() == bytes_field(1))
            feature.bytes.push_back(view(list));
          else
            list.skip();
        }
        break;
      }
      case bytes_field(2):
        read_floats(view(fields), feature.floats);
        break;
      case bytes_field(3):
        read_ints(view(fields), feature.ints);
        break;
      default:
        fields.skip();
    }
  }
  return feature;
}

Feature find_feature(std::string_view example, std::string_view name) {
  std::string there;
  protozero::pbf_reader message = reader(example);
  while (message.next()) {
    if (message.tag_and_type() != bytes_field(1)) {
      message.skip();
      continue;
    }
    protozero::pbf_reader features = reader(view(message));
    while (features.next()) {
      if (features.tag_and_type() != bytes_field(1)) {
        features.skip();
        continue;
      }
      std::string_view key;
      std::string_view value;
      protozero::pbf_reader entry = reader(view(features));
      while (entry.next()) {
        if (entry.tag_and_type() == bytes_field(1))
          key = view(entry);
        else if (entry.tag_and_type() == bytes_field(2))
          value = view(entry);
        else
          entry.skip();
      }
      if (key == name) return read_lists(value);
      there += fmt::format("{}'{}'", there.empty() ? "" : ", ", key);
    }
  }
  fail<InvalidModel>("feature '{}' is missing; the example has {}", name, there.empty() ? "none" : there);
}

}  // namespace

bool RecordReader::frame(uint64_t& length) {
  if (at_ == file_.size()) return false;
  ++index_;
  const size_t left = file_.size() - at_;
  if (left < kFrameBytes)
    fail<InvalidModel>("record {}: the file is cut short: {} bytes left, expected at least {}", index_, left,
                       kFrameBytes);
  uint32_t checksum = 0;
  std::memcpy(&length, file_.data() + at_, 8);
  std::memcpy(&checksum, file_.data() + at_ + 8, 4);
  if (masked_crc32c(crc32c(file_.data() + at_, 8)) != checksum)
    fail<InvalidModel>("record {}: the checksum of its length is wrong", index_);
  if (length > left - kFrameBytes || kChecksumBytes > left - kFrameBytes - length) {
    fail<InvalidModel>("record {}: the file is cut short: the record has {} bytes, {} are left", index_, length,
                       left - kFrameBytes);
  }
  return true;
}

bool RecordReader::next(std::string_view& record) {
  uint64_t length = 0;
  if (!frame(length)) return false;
  record = file_.substr(at_ + kFrameBytes, length);
  uint32_t checksum = 0;
  std::memcpy(&checksum, record.data() + length, 4);
  if (masked_crc32c(crc32c(record.data(), length)) != checksum)
    fail<InvalidModel>("record {}: its checksum is wrong", index_);
  at_ += kFrameBytes + length + kChecksumBytes;
  return true;
}

bool RecordReader::skip() {
  uint64_t length = 0;
  if (!frame(length)) return false;
  at_ += kFrameBytes + length + kChecksumBytes;
  return true;
}

bool is_tfrecord(std::string_view file) {
  uint32_t checksum = 0;
  if (file.size() < kFrameBytes) return false;
  std::memcpy(&checksum, file.data() + 8, 4);
  return masked_crc32c(crc32c(file.data(), 8)) == checksum;
}

Feature read_feature(std::string_view example, std::string_view name) {
  try {
    return find_feature(example, name);
  } catch (const protozero::exception& error) {
    fail<InvalidModel>("the record is no tf.Example: {}", error.what());
  }
}

}  // namespace tfengine::io
