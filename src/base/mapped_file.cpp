// SPDX-License-Identifier: Apache-2.0
#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace tfengine {

namespace {
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};
}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // Without O_NONBLOCK, opening a FIFO waits for a writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) {
    if (errno == ENOENT) fail<InvalidArgument>("'{}': no such file", path.string());
    fail<InvalidArgument>("'{}': cannot open the file: {}", path.string(), std::strerror(errno));
  }
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) fail<InvalidArgument>("'{}': {}", path.string(), std::strerror(errno));
  if (S_ISDIR(status.st_mode)) fail<InvalidArgument>("'{}': is a folder, expected a file", path.string());
  if (!S_ISREG(status.st_mode)) fail<InvalidArgument>("'{}': is not a regular file", path.string());
  if (status.st_size == 0) fail<InvalidModel>("'{}': the file is empty", path.string());
  const auto bytes = static_cast<size_t>(status.st_size);
  void* data = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) {
    fail<InvalidArgument>("'{}': cannot map {} bytes: {}", path.string(), bytes, std::strerror(errno));
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, data, bytes));
}

void MappedFile::drop_pages() const noexcept { static_cast<void>(madvise(data_, bytes_, MADV_DONTNEED)); }

MappedFile::~MappedFile() { ::munmap(data_, bytes_); }

}  // namespace tfengine
