// SPDX-License-Identifier: Apache-2.0
// A file's bytes as read-only memory, mapped rather than read: tensors that are views of it share it as their
// owner. A file that is cut short while it is mapped ends the process on access (SIGBUS), as with every mmap.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string_view>

namespace tfengine {

class MappedFile {
 public:
  // InvalidArgument when the file is missing, not a regular file or not readable; InvalidModel when it is
  // empty.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::byte* data() const { return static_cast<const std::byte*>(data_); }
  size_t bytes() const { return bytes_; }
  std::string_view text() const { return {static_cast<const char*>(data_), bytes_}; }
  const std::filesystem::path& path() const { return path_; }
  // The process needs no page of it for now: they leave its memory, and come back from the file when they are read.
  void drop_pages() const noexcept;

 private:
  MappedFile(std::filesystem::path path, void* data, size_t bytes)
      : path_(std::move(path)), data_(data), bytes_(bytes) {}
  std::filesystem::path path_;
  void* data_;
  size_t bytes_;
};

}  // namespace tfengine
