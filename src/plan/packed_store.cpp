// SPDX-License-Identifier: Apache-2.0
#include "plan/packed_store.h"

namespace tfengine::plan {

std::shared_ptr<const void> PackedStore::get(const Tensor& source, const std::string& form, size_t bytes,
                                             const std::function<void(void*)>& fill) {
  const std::lock_guard lock(mutex_);
  std::weak_ptr<Block>& slot = blocks_[{source.data(), form}];
  std::shared_ptr<Block> block = slot.lock();
  if (block == nullptr) {
    block = std::make_shared<Block>(Block{Buffer(allocator_, bytes, Purpose::Weights, "packed weights"), source});
    fill(block->buffer.data());
    slot = block;
  }
  return std::shared_ptr<const void>(block, block->buffer.data());
}

uint64_t PackedStore::bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (const auto& [key, weak] : blocks_) {
    if (const auto block = weak.lock()) total += block->buffer.bytes();
  }
  return total;
}

}  // namespace tfengine::plan
