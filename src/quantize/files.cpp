// SPDX-License-Identifier: Apache-2.0
#include "quantize/files.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/check.h"

namespace tfengine::quantize {

std::string read_whole_file(const std::string& path, uint64_t limit_bytes) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) fail<InvalidArgument>("'{}' is a folder, expected a file", path);
  std::ifstream file(path, std::ios::binary);
  if (!file) fail<InvalidArgument>("cannot open '{}': {}", path, std::strerror(errno));
  std::string content;
  std::string block(1 << 16, '\0');
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0) {
    content.append(block, 0, static_cast<size_t>(file.gcount()));
    if (content.size() > limit_bytes) fail<InvalidModel>("'{}' is larger than {} bytes", path, limit_bytes);
  }
  if (file.bad()) fail<InvalidArgument>("cannot read '{}'", path);
  return content;
}

void write_file_atomically(const std::string& path, std::string_view content) {
  static std::atomic<unsigned> counter = 0;  // two threads of one process may write the same path
  const std::string temporary = fmt::format("{}.{}.{}.tmp", path, getpid(), counter++);
  std::FILE* file = std::fopen(temporary.c_str(), "wb");
  if (file == nullptr) fail<InvalidArgument>("cannot write '{}': {}", path, std::strerror(errno));
  const bool written = std::fwrite(content.data(), 1, content.size(), file) == content.size();
  // Both must run: the close can fail where the write did not (full disk).
  const bool closed = std::fclose(file) == 0;
  if (!written || !closed || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    std::remove(temporary.c_str());
    fail<InvalidArgument>("cannot write '{}': {}", path, reason);
  }
}

}  // namespace tfengine::quantize
