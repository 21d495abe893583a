// SPDX-License-Identifier: Apache-2.0
#include "plugin/allocator.h"

#include <algorithm>

namespace tfengine::plugin {

void* DeviceAllocator::allocate(size_t bytes, size_t alignment, Purpose) noexcept {
  if (bytes == 0) return nullptr;
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

uint64_t DeviceAllocator::limit_bytes() const noexcept {
  try {
    const auto stats = allocator_->GetStats();
    if (stats && stats->bytes_limit) return static_cast<uint64_t>(*stats->bytes_limit);
  } catch (...) {
    return UINT64_MAX;  // a message without the limit is better than none
  }
  return UINT64_MAX;
}

}  // namespace tfengine::plugin
