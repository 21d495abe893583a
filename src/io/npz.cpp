// SPDX-License-Identifier: Apache-2.0
#include "io/npz.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/deflate.h"
#include "io/npy.h"

namespace tfengine::io {

namespace {

// APPNOTE.TXT of the ZIP format, 4.3.7 to 4.3.16.
constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kCentralHeader = 0x02014b50;
constexpr uint32_t kEndOfDirectory = 0x06054b50;
constexpr uint32_t kEndOfDirectory64 = 0x06064b50;
constexpr uint32_t kEndLocator64 = 0x07064b50;
constexpr size_t kEndBytes = 22;
constexpr size_t kMaxMembers = 65535;

struct Member {
  std::string name;
  uint16_t method = 0;
  uint32_t checksum = 0;
  uint64_t packed_bytes = 0;
  uint64_t bytes = 0;
  uint64_t offset = 0;
};

template <typename T>
T number_at(std::string_view file, uint64_t at) {
  // Not "sizeof(T) > file.size() - at": g++ 12 -O2 moves the read in front of that check.
  if (file.size() < sizeof(T) || at > file.size() - sizeof(T))
    fail<InvalidModel>("the archive is cut short or corrupt: a field at {} of {} bytes", at, file.size());
  T value;
  std::memcpy(&value, file.data() + at, sizeof(T));
  return value;
}

std::string_view bytes_at(std::string_view file, uint64_t at, uint64_t count) {
  if (at > file.size() || count > file.size() - at) {
    fail<InvalidModel>("the archive is cut short or corrupt: {} bytes at {} of {}", count, at, file.size());
  }
  return file.substr(at, count);
}

struct Directory {
  uint64_t offset = 0;
  uint64_t members = 0;
};

Directory find_directory(std::string_view file) {
  // The end record is last, before a comment of up to 65,535 bytes.
  const size_t lowest = file.size() > kEndBytes + 65535 ? file.size() - kEndBytes - 65535 : 0;
  for (size_t at = file.size() < kEndBytes ? 0 : file.size() - kEndBytes; file.size() >= kEndBytes; --at) {
    if (number_at<uint32_t>(file, at) == kEndOfDirectory) {
      Directory directory{number_at<uint32_t>(file, at + 16), number_at<uint16_t>(file, at + 10)};
      if (at >= 20 && number_at<uint32_t>(file, at - 20) == kEndLocator64) {
        const auto end64 = number_at<uint64_t>(file, at - 12);
        if (number_at<uint32_t>(file, end64) != kEndOfDirectory64)
          fail<InvalidModel>("the archive's zip64 directory is corrupt");
        directory = {number_at<uint64_t>(file, end64 + 48), number_at<uint64_t>(file, end64 + 32)};
      }
      if (directory.members > kMaxMembers)
        fail<InvalidModel>("the archive has {} members, expected at most {}", directory.members, kMaxMembers);
      return directory;
    }
    if (at == lowest) break;
  }
  fail<InvalidModel>("this is no .npz archive, or it is cut short: it has no zip directory");
}

// Sizes and offset that do not fit 32 bits stand in extra field 1, those only, in this order.
void read_zip64(std::string_view extra, Member& member) {
  while (extra.size() >= 4) {
    const auto id = number_at<uint16_t>(extra, 0);
    std::string_view body = bytes_at(extra, 4, number_at<uint16_t>(extra, 2));
    extra.remove_prefix(4 + body.size());
    if (id != 1) continue;
    for (uint64_t* field : {&member.bytes, &member.packed_bytes, &member.offset}) {
      if (*field != std::numeric_limits<uint32_t>::max()) continue;
      *field = number_at<uint64_t>(body, 0);
      body.remove_prefix(8);
    }
  }
}

std::vector<Member> read_directory(std::string_view file) {
  const Directory directory = find_directory(file);
  std::vector<Member> members;
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.members; ++i) {
    if (number_at<uint32_t>(file, at) != kCentralHeader)
      fail<InvalidModel>("the archive's directory is corrupt at member {}", i);
    if ((number_at<uint16_t>(file, at + 8) & 1) != 0) fail<InvalidModel>("the archive is encrypted");
    Member member;
    member.method = number_at<uint16_t>(file, at + 10);
    member.checksum = number_at<uint32_t>(file, at + 16);
    member.packed_bytes = number_at<uint32_t>(file, at + 20);
    member.bytes = number_at<uint32_t>(file, at + 24);
    member.offset = number_at<uint32_t>(file, at + 42);
    const uint64_t name_bytes = number_at<uint16_t>(file, at + 28);
    const uint64_t extra_bytes = number_at<uint16_t>(file, at + 30);
    const uint64_t comment_bytes = number_at<uint16_t>(file, at + 32);
    member.name = bytes_at(file, at + 46, name_bytes);
    read_zip64(bytes_at(file, at + 46 + name_bytes, extra_bytes), member);
    at += 46 + name_bytes + extra_bytes + comment_bytes;
    members.push_back(std::move(member));
  }
  return members;
}

std::string_view packed_contents(std::string_view file, const Member& member) {
  if (number_at<uint32_t>(file, member.offset) != kLocalHeader)
    fail<InvalidModel>("member '{}' is not where the directory says", member.name);
  const uint64_t names =
      number_at<uint16_t>(file, member.offset + 26) + uint64_t{number_at<uint16_t>(file, member.offset + 28)};
  return bytes_at(file, member.offset + 30 + names, member.packed_bytes);
}

std::shared_ptr<std::string> inflate_member(std::string_view packed, const Member& member) {
  if (member.bytes / kMaxDeflateRatio > packed.size()) {
    fail<InvalidModel>("member '{}' says that {} bytes unpack to {}", member.name, packed.size(), member.bytes);
  }
  auto contents = std::make_shared<std::string>(member.bytes, '\0');
  if (!inflate_bytes(packed, *contents))
    fail<InvalidModel>("member '{}' cannot be unpacked: its data is corrupt", member.name);
  return contents;
}

uint32_t checksum_of(std::string_view data) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()));
}

Tensor read_member(std::string_view file, const std::shared_ptr<const void>& owner, const Member& member) {
  const std::string_view packed = packed_contents(file, member);
  std::string_view contents = packed;
  std::shared_ptr<const void> keeper = owner;
  if (member.method == Z_DEFLATED) {
    const auto unpacked = inflate_member(packed, member);
    contents = *unpacked;
    keeper = unpacked;
  } else if (member.method != 0) {
    fail<InvalidModel>("member '{}' is packed by method {}, expected 0 (stored) or 8 (deflate)", member.name,
                       member.method);
  }
  if (checksum_of(contents) != member.checksum)
    fail<InvalidModel>("the checksum of member '{}' is wrong: its data is corrupt", member.name);
  try {
    return parse_npy(contents, keeper);
  } catch (const InvalidModel& error) {
    fail<InvalidModel>("member '{}': {}", member.name, error.what());
  }
}

}  // namespace

std::vector<NamedTensor> parse_npz(std::string_view file, const std::shared_ptr<const void>& owner) {
  std::vector<NamedTensor> arrays;
  for (const Member& member : read_directory(file)) {
    std::string name = member.name;
    if (name.size() > 4 && name.compare(name.size() - 4, 4, ".npy") == 0) name.resize(name.size() - 4);
    arrays.push_back({std::move(name), read_member(file, owner, member)});
  }
  if (arrays.empty()) fail<InvalidModel>("the archive has no arrays");
  return arrays;
}

}  // namespace tfengine::io
