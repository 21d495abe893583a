// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/bundle.h"

#include "base/crc32c.h"
#include "tfgraph/dtype.h"
#include "tfgraph/located.h"
#include "tfgraph/table.h"
#include "tfgraph/wire.h"

namespace tfengine::tfgraph {

namespace {
constexpr uint64_t kMaxShards = 100'000;  // "-of-%05d"
}

Bundle::Bundle(std::filesystem::path prefix) : prefix_(std::move(prefix)), index_path_(prefix_.string() + ".index") {
  read_index();
}

void Bundle::read_index() {
  const auto file = open_mapped(index_path_);
  with_file(index_path_, [&] {
    bool big_endian = false;
    for (const auto& [key, value] : read_table(file->text())) {
      if (!key.empty()) {
        entries_.emplace(key, read_entry(value));
        continue;
      }
      // BundleHeaderProto
      Reader header = reader(value);
      while (header.next()) {
        switch (header.tag_and_type()) {
          case varint(1):
            shard_count_ = header.get_uint64();
            break;
          case varint(2):
            big_endian = header.get_uint64() != 0;
            break;
          default:
            header.skip();
        }
      }
    }
    if (shard_count_ < 1 || shard_count_ > kMaxShards) {
      fail<InvalidModel>("the header has {} shards, expected 1 to {}", shard_count_, kMaxShards);
    }
    if (big_endian) fail<InvalidModel>("the variables are big-endian, expected little-endian");
  });
}

Bundle::Entry Bundle::read_entry(std::string_view message) {
  Entry entry;
  Reader proto = reader(message);
  while (proto.next()) {
    switch (proto.tag_and_type()) {
      case varint(1):
        entry.dtype = proto.get_uint64();
        break;
      case bytes(2):
        entry.shape = read_shape(get_view(proto));
        break;
      case varint(3):
        entry.shard = proto.get_uint64();
        break;
      case varint(4):
        entry.offset = proto.get_uint64();
        break;
      case varint(5):
        entry.bytes = proto.get_uint64();
        break;
      case fixed32(6):
        entry.checksum = proto.get_fixed32();
        break;
      case bytes(7):
        entry.sliced = true;
        proto.skip();
        break;
      default:
        proto.skip();
    }
  }
  return entry;
}

std::string_view Bundle::contents(std::string_view key, const Entry& entry) {
  if (entry.bytes == 0) return {};
  if (entry.shard >= shard_count_) fail<InvalidModel>("'{}' is in shard {} of {}", key, entry.shard, shard_count_);
  std::shared_ptr<const MappedFile>& shard = shards_[entry.shard];
  if (shard == nullptr) {
    shard = open_mapped(fmt::format("{}.data-{:05}-of-{:05}", prefix_.string(), entry.shard, shard_count_));
  }
  return with_file(shard->path(), [&] {
    if (entry.offset > shard->bytes() || entry.bytes > shard->bytes() - entry.offset) {
      fail<InvalidModel>("'{}' has {} bytes at {}, the file has {}; it is cut short or of another model", key,
                         entry.bytes, entry.offset, shard->bytes());
    }
    return shard->text().substr(entry.offset, entry.bytes);
  });
}

Tensor Bundle::load(std::string_view key, ConstantBudget& budget) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) fail<InvalidModel>("'{}' is not among the stored variables", key);
  const Entry& entry = found->second;
  return with_file(index_path_, [&] {
    if (entry.sliced)
      fail<InvalidModel>(
          "variable '{}' is stored in slices, expected whole; save the model with unpartitioned variables", key);
    const DType dtype = dtype_from_proto(entry.dtype);
    if (dtype == DType::Invalid || dtype == DType::String) {
      fail<InvalidModel>("variable '{}' has type {}, which tfengine does not read", key, proto_dtype_name(entry.dtype));
    }
    const std::string_view data = contents(key, entry);
    if (masked_crc32c(crc32c(data.data(), data.size())) != entry.checksum) {
      fail<InvalidModel>("the checksum of variable '{}' is wrong: its data is corrupt", key);
    }
    ConstantBudget shard;
    if (!data.empty()) shard.owner = shards_.at(entry.shard);
    try {
      Tensor tensor = view_or_copy(dtype, entry.shape, {data, shard.owner}, shard);
      budget.viewed_bytes += shard.viewed_bytes;
      budget.copied_bytes += shard.copied_bytes;
      return tensor;
    } catch (const InvalidModel& error) {
      fail<InvalidModel>("variable '{}': {}", key, error.what());
    }
  });
}

std::string_view Bundle::load_string(std::string_view key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return {};
  return with_file(index_path_, [&]() -> std::string_view {
    const std::string_view data = contents(key, found->second);
    // varint length, its checksum, then the bytes.
    const char* at = data.data();
    const char* end = at + data.size();
    const uint64_t length = protozero::decode_varint(&at, end);
    if (end - at < 4 || length != static_cast<uint64_t>(end - at - 4)) {
      fail<InvalidModel>("'{}' is a string of {} bytes, {} are stored", key, length, end - at);
    }
    return {at + 4, length};
  });
}

}  // namespace tfengine::tfgraph
