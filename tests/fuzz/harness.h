// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share: an answer is a result or an error of tfengine's family that blames the input; anything else
// ends the process and is a finding.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "tfengine/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace tfengine::fuzz {

template <typename F>
void expect_answer(F&& read) {
  try {
    read();
  } catch (const InternalError&) {
    throw;  // a check() that input can trip is a defect
  } catch (const Error&) {
  }
}

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// A file in memory with the given contents, for readers that take paths. Each is a new one: mapped views stay as they are.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view contents) : fd_(::memfd_create("input", 0)) {
    if (fd_ < 0 || ::write(fd_, contents.data(), contents.size()) != static_cast<ssize_t>(contents.size()))
      std::abort();
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(fd_); }
  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

// A copy of a folder, one file of which becomes the input.
class FolderWithInput {
 public:
  FolderWithInput(const std::filesystem::path& original, const std::filesystem::path& file)
      : path_(std::filesystem::path("/dev/shm") / ("tfengine-fuzz-" + std::to_string(::getpid()))),
        file_(path_ / file) {
    std::filesystem::remove_all(path_);
    std::filesystem::copy(original, path_, std::filesystem::copy_options::recursive);
  }
  ~FolderWithInput() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& with(std::string_view contents) const {
    std::filesystem::remove(file_);
    std::ofstream(file_, std::ios::binary).write(contents.data(), static_cast<std::streamsize>(contents.size()));
    return path_;
  }

 private:
  std::filesystem::path path_;
  std::filesystem::path file_;
};

}  // namespace tfengine::fuzz
