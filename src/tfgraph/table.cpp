// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/table.h"

#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"
#include "tfgraph/limits.h"

namespace tfengine::tfgraph {

namespace {

// https://github.com/google/leveldb/blob/main/doc/table_format.md
constexpr size_t kFooterBytes = 48;
constexpr uint64_t kMagic = 0xdb4775248b80fb57ull;
constexpr size_t kTrailerBytes = 5;  // compression type and checksum behind each block

// Bytes taken from the front, each step checked.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
    fail<InvalidModel>("the index table is corrupt: a number has more than 64 bits");
  }
  std::string_view take(uint64_t count) {
    if (count > bytes_.size())
      fail<InvalidModel>("the index table is corrupt: {} bytes expected, {} left", count, bytes_.size());
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

 private:
  std::string_view bytes_;
};

uint32_t little32(std::string_view bytes) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// The block that a handle (offset and size as varints) names, its checksum checked, without the restart array.
std::string_view block_entries(std::string_view file, Cursor& handle) {
  const uint64_t offset = handle.varint();
  const uint64_t size = handle.varint();
  if (offset > file.size() || size > file.size() - offset || kTrailerBytes > file.size() - offset - size) {
    fail<InvalidModel>("the index table is corrupt: a block of {} bytes at {} in a file of {} bytes", size, offset,
                       file.size());
  }
  const std::string_view block = file.substr(offset, size);
  const std::string_view trailer = file.substr(offset + size, kTrailerBytes);
  if (masked_crc32c(crc32c(block.data(), size + 1)) != little32(trailer.substr(1))) {
    fail<InvalidModel>("the index table is corrupt: the checksum of the block at {} is wrong", offset);
  }
  if (trailer[0] != 0)
    fail<InvalidModel>("the index table is compressed (type {}), expected none", static_cast<int>(trailer[0]));
  if (size < 4) fail<InvalidModel>("the index table is corrupt: a block of {} bytes", size);
  const uint64_t restarts = little32(block.substr(size - 4));
  if (restarts > (size - 4) / 4)
    fail<InvalidModel>("the index table is corrupt: {} restarts in a block of {} bytes", restarts, size);
  return block.substr(0, size - 4 - restarts * 4);
}

template <typename F>
void for_each_entry(std::string_view entries, F&& fn) {
  Cursor cursor(entries);
  std::string key;
  while (!cursor.empty()) {
    const uint64_t shared = cursor.varint();
    const uint64_t fresh = cursor.varint();
    const uint64_t value_bytes = cursor.varint();
    if (shared > key.size() || fresh > kMaxNameBytes) {
      fail<InvalidModel>("the index table is corrupt: a key of {} + {} bytes", shared, fresh);
    }
    key.resize(shared);
    key += cursor.take(fresh);
    fn(key, cursor.take(value_bytes));
  }
}

}  // namespace

std::map<std::string, std::string_view> read_table(std::string_view file) {
  if (file.size() < kFooterBytes)
    fail<InvalidModel>("the index table has {} bytes, expected at least {}", file.size(), kFooterBytes);
  const std::string_view footer = file.substr(file.size() - kFooterBytes);
  uint64_t magic = 0;
  std::memcpy(&magic, footer.data() + kFooterBytes - 8, 8);
  if (magic != kMagic)
    fail<InvalidModel>("this is no table file, or it is cut short: it ends in {:016x}, expected {:016x}", magic,
                       kMagic);
  Cursor handles(footer.substr(0, kFooterBytes - 8));
  handles.varint();  // the meta index, which has filters only
  handles.varint();
  std::map<std::string, std::string_view> table;
  // Each data block once: a hostile index could name one block many times.
  size_t read_bytes = 0;
  for_each_entry(block_entries(file, handles), [&](const std::string&, std::string_view handle) {
    Cursor cursor(handle);
    const std::string_view entries = block_entries(file, cursor);
    read_bytes += entries.size() + 1;
    if (read_bytes > file.size()) fail<InvalidModel>("the index table is corrupt: its blocks overlap");
    for_each_entry(entries, [&](const std::string& key, std::string_view value) { table.emplace(key, value); });
  });
  return table;
}

}  // namespace tfengine::tfgraph
