// SPDX-License-Identifier: Apache-2.0
// Blocks of the system's memory, without any books: what the allocators of the system's memory share.
#pragma once

#include <mutex>

#include "base/huge_pages.h"
#include "tfengine/allocator.h"

namespace tfengine {

// Thread-safe.
class SystemMemory {
 public:
  // Null when the system refuses.
  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept;
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept;

 private:
  std::mutex mutex_;
  HugePages huge_pages_;
  uint64_t weights_bytes_ = 0;
};

}  // namespace tfengine
