// SPDX-License-Identifier: Apache-2.0
// Files that cannot be mapped or written, and what a failed write leaves.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "base/crc32c.h"
#include "base/mapped_file.h"
#include "errors/messages.h"

namespace tfengine {
namespace {

using namespace testing_errors;
namespace fs = std::filesystem;

size_t files_in(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), {}));
}

TEST(MappedFileErrors, Messages) {
  const Folder folder;
  const std::string path = folder.path().string();
  expect_message<InvalidArgument>("'" + path + "/none': no such file", [&] { MappedFile::open(path + "/none"); });
  expect_message<InvalidArgument>("'" + path + "': is a folder, expected a file", [&] { MappedFile::open(path); });
  const fs::path empty = folder.file("empty", "");
  expect_message<InvalidModel>("'" + empty.string() + "': the file is empty", [&] { MappedFile::open(empty); });
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_message<InvalidArgument>("'" + pipe.string() + "': is not a regular file", [&] { MappedFile::open(pipe); });
}

TEST(MappedFile, OutlivesItsName) {
  const Folder folder;
  const auto file = MappedFile::open(folder.file("a", "contents"));
  fs::remove(file->path());
  EXPECT_EQ(file->text(), "contents");
}

TEST(AtomicFile, AppearsWhole) {
  const Folder folder;
  const fs::path path = folder.file("out", "before");
  {
    AtomicFile file(path);
    file.write("after");
    EXPECT_EQ(read_bytes(path), "before");
    file.commit();
  }
  EXPECT_EQ(read_bytes(path), "after");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(AtomicFile, LeavesNothingBehind) {
  const Folder folder;
  const fs::path path = folder.file("out", "before");
  {
    AtomicFile file(path);
    file.write("after");
  }
  EXPECT_EQ(read_bytes(path), "before");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(AtomicFileErrors, Messages) {
  const Folder folder;
  const std::string path = folder.path().string();
  expect_message<InvalidArgument>("'" + path + "': is a folder, expected a file to write",
                                  [&] { AtomicFile file(path); });
  expect_message<InvalidArgument>("'" + path + "/no/file': cannot create a file there: No such file or directory",
                                  [&] { AtomicFile file(path + "/no/file"); });
}

TEST(Crc32c, KnownValues) {
  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\0').data(), 32), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff').data(), 32), 0x62a8ab43u);
  EXPECT_EQ(crc32c("123456789", 9), 0xe3069283u);
  EXPECT_EQ(crc32c("56789", 5, crc32c("1234", 4)), 0xe3069283u);
}

}  // namespace
}  // namespace tfengine
