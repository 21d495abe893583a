// SPDX-License-Identifier: Apache-2.0
// The memory of all engines of the process, under the process's limits: what default_allocator() is.
#pragma once

#include <memory>
#include <shared_mutex>

#include "base/account.h"
#include "base/system_memory.h"
#include "tfengine/memory.h"

namespace tfengine {

class ProcessAllocator : public Allocator {
 public:
  explicit ProcessAllocator(const MemoryLimits& limits = {}) { set_limits(limits); }

  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override;
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override;
  uint64_t bytes_in_use() const noexcept override { return account_.bytes_in_use(); }
  uint64_t limit_bytes() const noexcept override { return account_.limit_bytes(); }
  MemoryShortage shortage(size_t bytes) const override;

  // As set_memory_limits().
  void set_limits(const MemoryLimits& limits);
  ProcessMemory state() const;
  void reset_peaks() noexcept { account_.reset_peaks(); }

 private:
  mutable std::shared_mutex mutex_;  // of what follows; the account has its own
  MemoryLimits limits_;
  std::string setting_;
  std::unique_ptr<ArenaAllocator> arena_;  // where all memory was taken at once
  SystemMemory memory_;
  Account account_{UINT64_MAX};
};

// The environment's limits. InvalidArgument naming a malformed variable.
MemoryLimits memory_limits_of_environment();

}  // namespace tfengine
