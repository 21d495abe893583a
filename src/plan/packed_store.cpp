// SPDX-License-Identifier: Apache-2.0
#include "plan/packed_store.h"

#include <algorithm>
#include <cstring>

#include "base/host_memory.h"

namespace tfengine::plan {

namespace {

uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Odd numbers with as many ones as zeros, each lane its own.
constexpr uint64_t kLanes[4] = {0x9e3779b97f4a7c15, 0xd1b54a32d192ed03, 0xabc98388fb8fac03, 0x8cb92ba72f3d8dd7};

struct Hash {
  uint64_t high = 0, low = 0;
};

// Four independent lanes keep the multiplier busy: weights of 100 MB take some 20 ms.
Hash hash_of(const void* data, size_t bytes) {
  uint64_t lanes[4] = {kLanes[0], kLanes[1], kLanes[2], kLanes[3]};
  const auto* at = static_cast<const std::byte*>(data);
  constexpr size_t kBlock = 32;
  uint64_t words[kBlock / 8];
  for (; bytes >= kBlock; bytes -= kBlock, at += kBlock) {
    std::memcpy(words, at, kBlock);
    for (int i = 0; i < 4; ++i) lanes[i] = mix(lanes[i] ^ words[i], kLanes[i]);
  }
  std::fill(std::begin(words), std::end(words), bytes);
  std::memcpy(words, at, bytes);
  for (int i = 0; i < 4; ++i) lanes[i] = mix(lanes[i] ^ words[i], kLanes[i]);
  return {mix(lanes[0] ^ kLanes[2], lanes[1] ^ kLanes[3]), mix(lanes[2] ^ kLanes[1], lanes[3] ^ kLanes[0])};
}

}  // namespace

PackedStore::Key PackedStore::key_of(const Tensor& source, const std::string& form) {
  Key key;
  key.form = form;
  if (!source.defined()) return key;
  const Hash hash = hash_of(source.data(), source.bytes());
  key.high = hash.high;
  key.low = hash.low;
  key.bytes = source.bytes();
  key.dtype = source.dtype();
  return key;
}

std::shared_ptr<const void> PackedStore::get(const Tensor& source, const std::string& form, size_t bytes,
                                             const std::function<void(void*)>& fill) {
  const Key key = key_of(source, form);
  std::shared_ptr<Buffer> block = known_ == nullptr ? nullptr : known_->find(key);
  if (block == nullptr) block = find_or_pack(key, bytes, fill);
  return std::shared_ptr<const void>(block, block->data());
}

std::shared_ptr<Buffer> PackedStore::find_or_pack(const Key& key, size_t bytes,
                                                  const std::function<void(void*)>& fill) {
  const std::lock_guard lock(mutex_);
  forget_freed();
  std::weak_ptr<Buffer>& slot = blocks_[key];
  std::shared_ptr<Buffer> block = slot.lock();
  if (block != nullptr) return block;
  if (shared_ != nullptr) {
    block = shared_->find_or_pack(key, bytes, fill);
  } else {
    block = std::make_shared<Buffer>(allocator_, bytes, purpose_, "packed weights");
    fill_block(block->data(), bytes, fill);
  }
  slot = block;
  return block;
}

std::shared_ptr<Buffer> PackedStore::find(const Key& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(key);
  return found == blocks_.end() ? nullptr : found->second.lock();
}

bool PackedStore::holds(const Tensor& source) const {
  const Key sought = key_of(source, "");
  const std::lock_guard lock(mutex_);
  return std::any_of(blocks_.begin(), blocks_.end(), [&](const auto& block) {
    const Key& key = block.first;
    return key.high == sought.high && key.low == sought.low && key.bytes == sought.bytes && key.dtype == sought.dtype &&
           !block.second.expired();
  });
}

void PackedStore::fill_block(void* block, size_t bytes, const std::function<void(void*)>& fill) {
  if (device_ == nullptr) return fill(block);
  const auto host = host_bytes(bytes, "constants on their way to the device");
  fill(host.get());
  if (uploads_ == nullptr) uploads_ = device_->make_queue();
  uploads_->upload(block, host.get(), bytes);
  uploads_->wait();
}

// Shapes come and go, and with them forms: the names of those that are gone must not fill the memory.
void PackedStore::forget_freed() {
  if (blocks_.size() < forget_at_) return;
  std::erase_if(blocks_, [](const auto& block) { return block.second.expired(); });
  forget_at_ = std::max<size_t>(256, 2 * blocks_.size());
}

uint64_t PackedStore::bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (const auto& [key, weak] : blocks_) {
    if (const auto block = weak.lock()) total += block->bytes();
  }
  return total;
}

}  // namespace tfengine::plan
