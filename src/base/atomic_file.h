// SPDX-License-Identifier: Apache-2.0
// Writing a file so that it appears whole or not at all: into a temporary beside it, synced, then renamed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace tfengine {

class AtomicFile {
 public:
  // InvalidArgument when the folder is missing or not writable, or `path` is a folder.
  explicit AtomicFile(std::filesystem::path path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  // Without commit(): removes the temporary, leaves the former file as it was.
  ~AtomicFile();

  // InvalidArgument (with the system's reason, such as a full disk) when bytes cannot be written.
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  [[noreturn]] void fail_now(const char* what) const;
  std::filesystem::path path_;
  std::string temporary_;
  int fd_ = -1;
};

void write_file_atomically(const std::filesystem::path& path, std::string_view contents);

}  // namespace tfengine
