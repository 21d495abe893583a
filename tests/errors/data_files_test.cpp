// SPDX-License-Identifier: Apache-2.0
// One malformed data file or wrong option per case, with its exact message.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <functional>

#include "errors/messages.h"
#include "io/npz.h"
#include "tfengine/data.h"

namespace tfengine {
namespace {

using namespace testing_errors;
namespace fs = std::filesystem;

const fs::path kData = fs::path(TFE_SOURCE_DIR) / "tests/io/data";

std::string npy(const std::string& header, const std::string& data = "") {
  std::string file = "\x93NUMPY";
  file += std::string("\x01\x00", 2);
  file += static_cast<char>(header.size() & 255);
  file += static_cast<char>(header.size() >> 8);
  return file + header + data;
}

void expect_file(const std::string& name, const std::string& contents, const std::string& message) {
  SCOPED_TRACE(name);
  const Folder folder;
  const fs::path path = folder.file(name, contents);
  expect_message<InvalidModel>("'" + path.string() + "': " + message, [&] {
    Batch batch;
    open_data(path)->next(batch);
  });
}

TEST(NpyErrors, Messages) {
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string header = good;
    return npy(header.replace(header.find(from), from.size(), to), "01234567");
  };
  expect_file("short.npy", npy(good, "0123456"),
              "the file is cut short: 7 bytes of data, expected [2] float32 elements of 4 bytes");
  expect_file("version.npy", std::string("\x93NUMPY\x09\x00\x01\x00", 10), "the .npy version is 9, expected 1 to 3");
  expect_file("header.npy", npy(good).substr(0, 30), "the file is cut short in its header");
  expect_file("key.npy", with("'shape'", "'size'"),
              "the header has key 'size', expected descr, fortran_order and shape");
  expect_file("lacks.npy", npy("{'descr': '<f4'}"), "the header lacks descr, fortran_order or shape");
  expect_file("order.npy", with("False", "false"), "the header is malformed at character 34, expected True or False");
  expect_file("quote.npy", npy("{'descr': '<f4"), "the header is malformed: a string does not end");
  expect_file("shape.npy", with("(2,)", "(-2,)"), "the header's shape is malformed at character 51");
  expect_file("huge.npy", with("(2,)", "(9223372036854775807, 9223372036854775807)"),
              "the file is cut short: 8 bytes of data, expected [9223372036854775807,9223372036854775807] float32 "
              "elements of 4 bytes");
  expect_file("scalar.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "0123"),
              "array '' is a scalar; its first dimension should count samples");
  expect_file("struct.npy", with("'<f4'", "[('a', '<f4')]"), "the array is structured, expected one of numbers");
  expect_file("strings.npy", read_bytes(kData / "strings.npy"), "the array has type '<U1', expected numbers");
  expect_file("objects.npy", read_bytes(kData / "objects.npy"),
              "the array holds Python objects (pickled), which are never loaded");
}

TEST(NpzErrors, Messages) {
  const std::string stored = read_bytes(kData / "stored.npz");
  const std::string deflated = read_bytes(kData / "deflated.npz");
  expect_file("cut.npz", stored.substr(0, stored.size() - 30),
              "this is no .npz archive, or it is cut short: it has no zip directory");
  std::string flipped = stored;
  flipped[flipped.find("NUMPY") + 130] ^= 1;
  expect_file("flipped.npz", flipped, "the checksum of member 'image.npy' is wrong: its data is corrupt");
  const size_t directory = deflated.find("PK\x01\x02");
  std::string bomb = deflated;
  bomb.replace(directory + 24, 4, "\xf0\xff\xff\x7f");
  expect_file("bomb.npz", bomb,
              "member 'image.npy' says that " + std::to_string(static_cast<uint8_t>(deflated[directory + 20])) +
                  " bytes unpack to 2147483632");
  std::string method = stored;
  method[stored.find("PK\x01\x02") + 10] = 12;
  expect_file("method.npz", method, "member 'image.npy' is packed by method 12, expected 0 (stored) or 8 (deflate)");
  std::string encrypted = stored;
  encrypted[stored.find("PK\x01\x02") + 8] |= 1;
  expect_file("encrypted.npz", encrypted, "the archive is encrypted");
}

// The directory begins in the file's last byte, and behind that byte nothing can be read.
TEST(NpzErrors, ADirectoryAtTheEndIsNotReadBeyondIt) {
  std::string late = read_bytes(kData / "stored.npz");
  const size_t last = late.size() - 1;
  late[late.size() - 6] = static_cast<char>(last & 255);
  late[late.size() - 5] = static_cast<char>(last >> 8);
  constexpr size_t kPage = 4096;
  ASSERT_LT(late.size(), kPage);
  auto* pages =
      static_cast<char*>(::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(static_cast<void*>(pages), MAP_FAILED);
  ASSERT_EQ(::mprotect(pages + kPage, kPage, PROT_NONE), 0);
  char* file = pages + kPage - late.size();
  std::copy(late.begin(), late.end(), file);
  expect_message<InvalidModel>(
      fmt::format("the archive is cut short or corrupt: a field at {} of {} bytes", last, late.size()), [&] {
        io::parse_npz({file, late.size()}, nullptr);
      });
  ::munmap(pages, 2 * kPage);
}

TEST(RecordErrors, Messages) {
  const Folder folder;
  const std::string good = read_bytes(kData / "records.tfrecord");
  const auto expect = [&](const std::string& contents, const DataOptions& options, const std::string& message) {
    const fs::path path = folder.file("records.tfrecord", contents);
    expect_message<InvalidModel>("'" + path.string() + "', " + message, [&] {
      Batch batch;
      const auto source = open_data(path, options);
      while (source->next(batch)) {
      }
    });
  };
  DataOptions raw;
  raw.feature = "raw";
  expect(good, {}, "record 0: feature 'image' is missing; the example has 'floats', 'ints', 'label', 'png', 'raw'");
  // Three records of 164, 181 and 181 bytes, each in a frame of 16.
  constexpr size_t kSecond = 180;
  expect(good.substr(0, good.size() - 5), raw,
         "record 2: the file is cut short: the record has 181 bytes, 180 are left");
  expect(good.substr(0, kSecond + 3), raw, "record 1: the file is cut short: 3 bytes left, expected at least 12");
  std::string data = good;
  data[40] ^= 1;
  expect(data, raw, "record 0: its checksum is wrong");
  data = good;
  data[kSecond + 1] ^= 1;
  expect(data, raw, "record 1: the checksum of its length is wrong");
  DataOptions shaped = raw;
  shaped.feature_shape = {3, 3};
  expect(good, shaped, "record 0: feature 'raw' has 4 elements, expected 9 of shape [3,3]");
  DataOptions floats = raw;
  floats.decode = "floats";
  expect(good, floats, "record 0: feature 'raw' has no floats, expected some to decode as 'floats'");
  DataOptions jpeg = raw;
  jpeg.decode = "jpeg";
  expect(good, jpeg, "record 0: this is neither a JPEG nor a PNG image");
  DataOptions label = raw;
  label.label_feature = "png";
  expect(good, label, "record 0: feature 'png' has no numbers, expected a label");
}

TEST(DataErrors, UnknownFiles) {
  expect_file("text", "hello, world", "this is no known kind of data; expected .npy, .npz, TFRecord, JPEG or PNG");
  expect_file("text.npy", "hello, world", "this is no .npy array: it does not begin with \\x93NUMPY");
  expect_file("zipped", "\x1f\x8b\x08 and so on",
              "this is gzip-compressed (unpack it first); expected .npy, .npz, TFRecord, JPEG or PNG");
  expect_file("picture.png", "\x89PNG\r\n\x1a\n", "the PNG image is malformed: read beyond end of data");
  expect_file("picture.jpg", "\xff\xd8\xff\xe0 and so on",
              "the JPEG image is malformed: JPEG datastream contains no image");
}

TEST(DataErrors, Folders) {
  const Folder folder;
  const std::string path = folder.path().string();
  expect_message<InvalidArgument>("'" + path + "/none': no such file", [&] { open_data(path + "/none"); });
  expect_message<InvalidArgument>("'" + path + "': the folder has no .npy, .npz, .tfrecord, JPEG or PNG files",
                                  [&] { open_data(path); });
  folder.file("a.npy", read_bytes(kData / "float32.npy"));
  folder.file("b.npy", read_bytes(kData / "fortran.npy"));
  DataOptions options;
  options.batch_size = 10;
  expect_message<InvalidModel>(
      "'" + path +
          "/b.npy': the arrays differ from those of the files before it; give arrays of several inputs as one .npz",
      [&] {
        Batch batch;
        open_data(path, options)->next(batch);
      });
  folder.file("c.png", read_bytes(kData / "picture.png"));
  expect_message<InvalidArgument>("'" + path + "': the folder has arrays, records and images mixed; expected one kind",
                                  [&] { open_data(path); });
}

TEST(DataErrors, PicturesOfSeveralSizes) {
  const Folder folder;
  folder.file("a.jpg", read_bytes(kData / "picture.jpg"));
  const fs::path small = folder.file("b.png", "");
  fs::copy_file(kData / "picture.png", small, fs::copy_options::overwrite_existing);
  DataOptions options;
  options.batch_size = 2;
  options.crop_h = 13;
  expect_message<InvalidModel>("'" + (folder.path() / "a.jpg").string() +
                                   "': the image's height is 12 pixels after resizing, expected at least 13 to crop",
                               [&] {
                                 Batch batch;
                                 open_data(folder.path(), options)->next(batch);
                               });
}

TEST(DataErrors, Options) {
  const auto expect = [](const std::string& message, const std::function<void(DataOptions&)>& change) {
    DataOptions options;
    change(options);
    expect_message<InvalidArgument>(message, [&] { open_data(kData / "float32.npy", options); });
  };
  expect("batch_size is 0, expected 1 or more", [](DataOptions& o) { o.batch_size = 0; });
  expect("limit is -2, expected -1 (all) or more", [](DataOptions& o) { o.limit = -2; });
  expect("decode is 'gif', expected raw, jpeg, png, floats or ints", [](DataOptions& o) { o.decode = "gif"; });
  expect("channel_order is 'rbg', expected rgb or bgr", [](DataOptions& o) { o.channel_order = "rbg"; });
  expect("feature_shape is [?,3], expected known dimensions", [](DataOptions& o) { o.feature_shape = {-1, 3}; });
  expect("resize and crop are -1, 0 x 0, expected 0 to 65536", [](DataOptions& o) { o.resize = -1; });
}

}  // namespace
}  // namespace tfengine
