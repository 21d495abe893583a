// SPDX-License-Identifier: Apache-2.0
#include "base/system_memory.h"

#include <algorithm>
#include <cstdlib>

namespace tfengine {

namespace {

// Weights beyond the first few go to huge pages: with less, one would be more memory than it saves time.
constexpr uint64_t kFewBytes = uint64_t{4} << 20;

// aligned_alloc wants a power of two of at least a pointer's size, and a multiple of it.
void* aligned_block(size_t bytes, size_t alignment) noexcept {
  alignment = std::max(alignment, sizeof(void*));
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

}  // namespace

void* SystemMemory::allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept {
  const std::lock_guard lock(mutex_);
  if (purpose != Purpose::Weights) {
    // What comes behind the weights: the last of them is packed, for now.
    huge_pages_.trim();
    return aligned_block(bytes, alignment);
  }
  void* block = weights_bytes_ + bytes > kFewBytes ? huge_pages_.allocate(bytes, alignment) : nullptr;
  if (block == nullptr) block = aligned_block(bytes, alignment);
  if (block != nullptr) weights_bytes_ += bytes;
  return block;
}

void SystemMemory::deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept {
  if (purpose != Purpose::Weights) {
    std::free(pointer);
    return;
  }
  const std::lock_guard lock(mutex_);
  weights_bytes_ -= bytes;
  if (!huge_pages_.deallocate(pointer, bytes)) std::free(pointer);
}

}  // namespace tfengine
