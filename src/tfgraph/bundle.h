// SPDX-License-Identifier: Apache-2.0
// A TensorBundle: the values of variables as SavedModels and checkpoints store them. The index is read, the data mapped.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/mapped_file.h"
#include "tfgraph/tensor_proto.h"

namespace tfengine::tfgraph {

class Bundle {
 public:
  // Reads `prefix`.index. Errors name the file.
  explicit Bundle(std::filesystem::path prefix);

  bool has(std::string_view key) const { return entries_.find(key) != entries_.end(); }
  // A variable's value; a view of the data file where aligned. InvalidModel naming key and file.
  Tensor load(std::string_view key, ConstantBudget& budget);
  // The one element of a string tensor, empty if there is no such key.
  std::string_view load_string(std::string_view key);
  const std::filesystem::path& prefix() const { return prefix_; }

 private:
  struct Entry {
    uint64_t dtype = 0;
    Shape shape;
    uint64_t shard = 0;
    uint64_t offset = 0;
    uint64_t bytes = 0;
    uint32_t checksum = 0;
    bool sliced = false;
  };
  static Entry read_entry(std::string_view message);
  void read_index();
  std::string_view contents(std::string_view key, const Entry& entry);

  std::filesystem::path prefix_;
  std::filesystem::path index_path_;
  std::map<std::string, Entry, std::less<>> entries_;
  uint64_t shard_count_ = 0;
  std::map<uint64_t, std::shared_ptr<const MappedFile>> shards_;
};

}  // namespace tfengine::tfgraph
