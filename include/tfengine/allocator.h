// SPDX-License-Identifier: Apache-2.0
// Where an engine's memory comes from. Everything an engine holds or uses at run time is asked of one Allocator,
// with the purpose it is for, so that a host framework can bound and count it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "tfengine/export.h"

namespace tfengine {

// What memory is for: packed weights, the arena of tensors, scratch of tactics, and what planning needs for a while.
enum class Purpose : uint8_t { Weights, Activations, Workspace, Temporary };
inline constexpr size_t kPurposes = 4;
// "weights", "activations", "workspace", "temporary".
TFE_API const char* purpose_name(Purpose purpose);

class TFE_API Allocator {
 public:
  virtual ~Allocator() = default;
  // At least `bytes` bytes aligned to `alignment` (a power of two), or null when refused. Zero bytes: null or any
  // pointer that deallocate() accepts. Thread-safe.
  virtual void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept = 0;
  // What allocate() gave for this many bytes and this purpose. Thread-safe.
  virtual void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept = 0;
  // For messages: bytes in use now and the limit (UINT64_MAX for none).
  virtual uint64_t bytes_in_use() const noexcept = 0;
  virtual uint64_t limit_bytes() const noexcept = 0;
};

// Bytes now and at most so far, by Purpose and in all, and how often memory was asked for.
struct AllocatorStats {
  std::array<uint64_t, kPurposes> in_use_bytes{};
  std::array<uint64_t, kPurposes> peak_bytes{};
  uint64_t total_in_use_bytes = 0;
  uint64_t total_peak_bytes = 0;
  uint64_t allocations = 0;
};

// The system's memory with accounting per purpose and an optional limit on the sum.
class TFE_API SystemAllocator : public Allocator {
 public:
  // Refuses what would bring the sum of all purposes above `limit_bytes`.
  explicit SystemAllocator(uint64_t limit_bytes = UINT64_MAX);
  ~SystemAllocator() override;
  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override;
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override;
  uint64_t bytes_in_use() const noexcept override;
  uint64_t limit_bytes() const noexcept override;
  // Thread-safe; the numbers are of one moment.
  AllocatorStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The allocator that engines use when none is given: one per process, no limit.
TFE_API Allocator& default_allocator();

}  // namespace tfengine
