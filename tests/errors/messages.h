// SPDX-License-Identifier: Apache-2.0
// What the tests of bad input share: a folder of their own, files with given bytes, and protocol buffers by hand.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "tfengine/error.h"

namespace tfengine::testing_errors {

// A folder that is removed with it.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tfengine-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name, std::string_view contents) const {
    std::ofstream(path_ / name, std::ios::binary).write(contents.data(), static_cast<std::streamsize>(contents.size()));
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// fn() throws E with exactly this message.
template <typename E, typename F>
void expect_message(const std::string& message, F&& fn) {
  try {
    fn();
    ADD_FAILURE() << "no error, expected: " << message;
  } catch (const E& error) {
    EXPECT_EQ(std::string(error.what()), message);
  } catch (const std::exception& error) {
    ADD_FAILURE() << "an error of another kind: " << error.what();
  }
}

// --- protocol buffer fields
inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>(value | 128);
  return bytes + static_cast<char>(value);
}
inline std::string number(uint32_t field, uint64_t value) { return varint(field << 3) + varint(value); }
inline std::string message(uint32_t field, std::string_view contents) {
  return varint(field << 3 | 2) + varint(contents.size()) + std::string(contents);
}
inline std::string entry(uint32_t field, std::string_view key, std::string_view value) {
  return message(field, message(1, key) + message(2, value));
}

// --- GraphDef
inline std::string attr(std::string_view key, const std::string& value) { return entry(5, key, value); }
inline std::string type_attr(std::string_view key, uint64_t type) { return attr(key, number(6, type)); }
inline std::string node_def(std::string_view name, std::string_view op, const std::vector<std::string>& inputs = {},
                            const std::string& attrs = "") {
  std::string def = message(1, name) + message(2, op);
  for (const std::string& input : inputs) def += message(3, input);
  return def + attrs;
}
inline std::string node(std::string_view name, std::string_view op, const std::vector<std::string>& inputs = {},
                        const std::string& attrs = "") {
  return message(1, node_def(name, op, inputs, attrs));
}
inline std::string shape(const std::vector<int64_t>& dims) {
  std::string proto;
  for (const int64_t dim : dims) proto += message(2, number(1, static_cast<uint64_t>(dim)));
  return proto;
}
// A Const of `type` (1: float) whose value has these fields beside type and shape.
inline std::string constant(std::string_view name, uint64_t type, const std::vector<int64_t>& dims,
                            const std::string& fields) {
  const std::string tensor = number(1, type) + message(2, shape(dims)) + fields;
  return node(name, "Const", {}, type_attr("dtype", type) + attr("value", message(8, tensor)));
}
inline std::string placeholder(std::string_view name) { return node(name, "Placeholder", {}, type_attr("dtype", 1)); }

struct Function {
  std::string name;
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> returns;  // output, "node:out:0"
  std::vector<std::string> nodes;                            // node_def()
};
// A GraphDef's library of functions.
inline std::string library(const std::vector<Function>& functions) {
  std::string all;
  for (const Function& function : functions) {
    std::string signature = message(1, function.name);
    for (const std::string& arg : function.args) signature += message(2, message(1, arg));
    for (const auto& [output, source] : function.returns) signature += message(3, message(1, output));
    std::string def = message(1, signature);
    for (const std::string& body : function.nodes) def += message(3, body);
    for (const auto& [output, source] : function.returns) def += entry(4, output, source);
    all += message(1, def);
  }
  return message(2, all);
}
inline std::string call(std::string_view name, std::string_view function, const std::vector<std::string>& inputs) {
  return node(name, "PartitionedCall", inputs, attr("f", message(10, message(1, function))));
}

}  // namespace tfengine::testing_errors
