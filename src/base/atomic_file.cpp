// SPDX-License-Identifier: Apache-2.0
#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace tfengine {

namespace {

// A name that no other writer of this or another process uses; open() refuses one that exists.
std::string temporary_name(const std::filesystem::path& path) {
  static std::atomic<unsigned> counter = 0;
  return fmt::format("{}.{}-{}.tmp", path.string(), ::getpid(), counter++);
}

void sync_folder(const std::filesystem::path& file) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path_, ignored))
    fail<InvalidArgument>("'{}': is a folder, expected a file to write", path_.string());
  temporary_ = temporary_name(path_);
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_now("cannot create a file there");
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail_now(const char* what) const {
  fail<InvalidArgument>("'{}': {}: {}", path_.string(), what, std::strerror(errno));
}

void AtomicFile::write(const void* data, size_t bytes) {
  check(fd_ >= 0, "'{}' is written after commit()", path_.string());
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    // Linux writes at most 2 GiB - 4 KiB at once.
    const ssize_t written = ::write(fd_, at, std::min<size_t>(bytes, size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_now("cannot write");
    at += written;
    bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  check(fd_ >= 0, "'{}' is committed twice", path_.string());
  if (::fsync(fd_) != 0) fail_now("cannot write");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_now("cannot replace the file");
  ::close(fd_);
  fd_ = -1;
  sync_folder(path_);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view contents) {
  AtomicFile file(path);
  file.write(contents);
  file.commit();
}

}  // namespace tfengine
