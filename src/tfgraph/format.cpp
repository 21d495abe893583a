// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/format.h"

#include <algorithm>

#include "base/check.h"

namespace tfengine::tfgraph {

namespace {

struct Format {
  size_t offset;
  std::string_view magic;
  const char* message;
};

constexpr Format kFormats[] = {
    {0, "\x89HDF\r\n",
     "this is an HDF5 file (Keras .h5); load it in Keras and export a SavedModel: model.export(folder)"},
    {0, "PK\x03\x04",
     "this is a zip archive (Keras .keras?); load it in Keras and export a SavedModel: model.export(folder)"},
    {4, "TFL3", "this is a TensorFlow Lite model; expected the TensorFlow model that it was made from"},
    {0, "\x93NUMPY", "this is a NumPy array; expected a model"},
};

bool is_text(std::string_view file) {
  // A binary GraphDef has control characters within its first node: the tags of op and inputs are 0x12 and 0x1a.
  const std::string_view head = file.substr(0, 512);
  return std::all_of(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || byte == '\n' || byte == '\r' || byte == '\t';
  });
}

}  // namespace

void require_binary_proto(std::string_view file) {
  for (const Format& format : kFormats) {
    if (file.size() >= format.offset && file.substr(format.offset, format.magic.size()) == format.magic) {
      fail<InvalidModel>("{}", format.message);
    }
  }
  if (!is_text(file)) return;
  fail<InvalidModel>(
      "this is text, expected a binary protocol buffer; a text GraphDef (.pbtxt) is converted with "
      "google.protobuf.text_format and "
      "SerializeToString()");
}

}  // namespace tfengine::tfgraph
