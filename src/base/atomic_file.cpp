// SPDX-License-Identifier: Apache-2.0
#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace tfengine {

namespace {

// What open() would have given: mkostemp makes files that only their owner reads.
mode_t default_mode() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return static_cast<mode_t>(0666 & ~mask);
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
  temporary_ = path_.string() + ".XXXXXX";
  fd_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
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
  if (::fchmod(fd_, default_mode()) != 0) fail_now("cannot set the mode");
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
