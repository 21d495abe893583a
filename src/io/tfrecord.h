// SPDX-License-Identifier: Apache-2.0
// TFRecord framing and the tf.Example messages inside.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tfengine::io {

// Records of a mapped file in order, checksums verified.
class RecordReader {
 public:
  explicit RecordReader(std::string_view file) : file_(file) {}
  // False at the end. InvalidModel with the record's number where the framing or a checksum is wrong.
  bool next(std::string_view& record);
  // As next() without reading the contents.
  bool skip();
  // Number of the record that next() gave last, from 0.
  int64_t index() const { return index_; }

 private:
  bool frame(uint64_t& length);
  std::string_view file_;
  size_t at_ = 0;
  int64_t index_ = -1;
};

// Whether the bytes begin with a record's length and its right checksum.
bool is_tfrecord(std::string_view file);

// One feature of a tf.Example; exactly one list is filled.
struct Feature {
  std::vector<std::string_view> bytes;
  std::vector<float> floats;
  std::vector<int64_t> ints;
};

// InvalidModel listing what there is when `name` is missing, or when the message is malformed.
Feature read_feature(std::string_view example, std::string_view name);

}  // namespace tfengine::io
