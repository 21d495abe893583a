// SPDX-License-Identifier: Apache-2.0
#include "tfengine/allocator.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>

#include "base/huge_pages.h"

namespace tfengine {

const char* purpose_name(Purpose purpose) {
  constexpr const char* kNames[kPurposes] = {"weights", "activations", "workspace", "temporary"};
  return kNames[static_cast<size_t>(purpose)];
}

struct SystemAllocator::Impl {
  uint64_t limit_bytes;
  mutable std::mutex mutex;
  AllocatorStats stats;
  HugePages huge_pages;

  // Weights beyond the first few go to huge pages: with less, one would be more memory than it saves time.
  void* obtain(size_t bytes, size_t alignment, Purpose purpose) noexcept {
    constexpr uint64_t kFewBytes = uint64_t{4} << 20;
    if (purpose == Purpose::Weights) {
      const std::lock_guard lock(mutex);
      if (stats.in_use_bytes[static_cast<size_t>(purpose)] > kFewBytes) {
        if (void* block = huge_pages.allocate(bytes, alignment)) return block;
      }
    }
    // aligned_alloc wants a multiple of the alignment.
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  }

  void give_back(void* pointer, Purpose purpose) noexcept {
    if (purpose == Purpose::Weights) {
      const std::lock_guard lock(mutex);
      if (huge_pages.deallocate(pointer)) return;
    }
    std::free(pointer);
  }
};

SystemAllocator::SystemAllocator(uint64_t limit_bytes) : impl_(std::make_unique<Impl>()) {
  impl_->limit_bytes = limit_bytes;
}

SystemAllocator::~SystemAllocator() = default;

void* SystemAllocator::allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept {
  if (bytes == 0 || bytes > SIZE_MAX - alignment) return nullptr;
  const size_t index = static_cast<size_t>(purpose);
  {
    const std::lock_guard lock(impl_->mutex);
    AllocatorStats& stats = impl_->stats;
    if (bytes > impl_->limit_bytes || stats.total_in_use_bytes > impl_->limit_bytes - bytes) return nullptr;
    stats.in_use_bytes[index] += bytes;
    stats.total_in_use_bytes += bytes;
  }
  void* pointer = impl_->obtain(bytes, alignment, purpose);
  const std::lock_guard lock(impl_->mutex);
  AllocatorStats& stats = impl_->stats;
  if (pointer == nullptr) {
    stats.in_use_bytes[index] -= bytes;
    stats.total_in_use_bytes -= bytes;
    return nullptr;
  }
  ++stats.allocations;
  stats.peak_bytes[index] = std::max(stats.peak_bytes[index], stats.in_use_bytes[index]);
  stats.total_peak_bytes = std::max(stats.total_peak_bytes, stats.total_in_use_bytes);
  return pointer;
}

void SystemAllocator::deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept {
  if (pointer == nullptr) return;
  impl_->give_back(pointer, purpose);
  const std::lock_guard lock(impl_->mutex);
  impl_->stats.in_use_bytes[static_cast<size_t>(purpose)] -= bytes;
  impl_->stats.total_in_use_bytes -= bytes;
}

uint64_t SystemAllocator::bytes_in_use() const noexcept {
  const std::lock_guard lock(impl_->mutex);
  return impl_->stats.total_in_use_bytes;
}

uint64_t SystemAllocator::limit_bytes() const noexcept { return impl_->limit_bytes; }

AllocatorStats SystemAllocator::stats() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->stats;
}

Allocator& default_allocator() {
  static SystemAllocator allocator;
  return allocator;
}

}  // namespace tfengine
