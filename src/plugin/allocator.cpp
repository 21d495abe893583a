// SPDX-License-Identifier: Apache-2.0
#include "plugin/allocator.h"

#include <algorithm>

#include "base/account.h"

namespace tfengine::plugin {

void* DeviceAllocator::allocate(size_t bytes, size_t alignment, Purpose) noexcept {
  if (bytes == 0 || !is_sound_request(bytes, alignment)) return nullptr;
  tensorflow::AllocationAttributes attributes;
  // TensorFlow would wait ten seconds for others to free some; our caller says at once what was refused.
  attributes.retry_on_failure = false;
  try {
    void* pointer =
        allocator_->AllocateRaw(std::max(alignment, tensorflow::Allocator::kAllocatorAlignment), bytes, attributes);
    if (pointer != nullptr) in_use_bytes_ += bytes;
    return pointer;
  } catch (...) {
    return nullptr;
  }
}

void DeviceAllocator::deallocate(void* pointer, size_t bytes, Purpose) noexcept {
  if (pointer == nullptr) return;
  allocator_->DeallocateRaw(pointer);
  in_use_bytes_ -= bytes;
}

uint64_t DeviceAllocator::limit_bytes() const noexcept { return shortage(0).limit_bytes; }

MemoryShortage DeviceAllocator::shortage(size_t) const noexcept {
  MemoryShortage shortage{in_use_bytes_, UINT64_MAX, UINT64_MAX, {}};
  try {
    const auto stats = allocator_->GetStats();
    if (!stats) return shortage;
    // TensorFlow's other tensors stand in the way, too.
    shortage.in_use_bytes = static_cast<uint64_t>(stats->bytes_in_use);
    if (stats->bytes_limit) shortage.limit_bytes = static_cast<uint64_t>(*stats->bytes_limit);
    if (stats->largest_free_block_bytes > 0) {
      shortage.largest_free_bytes = static_cast<uint64_t>(stats->largest_free_block_bytes);
    }
  } catch (...) {
    return shortage;  // a message with fewer numbers is better than none
  }
  return shortage;
}

}  // namespace tfengine::plugin
