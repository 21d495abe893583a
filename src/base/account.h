// SPDX-License-Identifier: Apache-2.0
// The books of an allocator: what is in use and was at most, per purpose, under a limit that no sum ever exceeds. A request is
// charged before memory is looked for, so that requests at the same time cannot exceed the limit together.
#pragma once

#include <algorithm>
#include <mutex>

#include "tfengine/allocator.h"

namespace tfengine {

// Whether a request is one that memory can answer at all.
inline bool is_sound_request(size_t bytes, size_t alignment) {
  const bool power_of_two = alignment != 0 && (alignment & (alignment - 1)) == 0;
  return power_of_two && bytes <= SIZE_MAX / 2 && alignment <= SIZE_MAX / 4;
}

class Account {
 public:
  explicit Account(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // Calls `obtain` for memory when the limit allows it; its null is a refusal.
  template <typename Obtain>
  void* allocate(size_t bytes, Purpose purpose, Obtain&& obtain) noexcept {
    const size_t index = static_cast<size_t>(purpose);
    {
      const std::lock_guard lock(mutex_);
      if (bytes > limit_bytes_ || stats_.total_in_use_bytes > limit_bytes_ - bytes) {
        ++stats_.refusals;
        return nullptr;
      }
      stats_.in_use_bytes[index] += bytes;
      stats_.total_in_use_bytes += bytes;
    }
    void* pointer = obtain();
    const std::lock_guard lock(mutex_);
    if (pointer == nullptr) {
      stats_.in_use_bytes[index] -= bytes;
      stats_.total_in_use_bytes -= bytes;
      ++stats_.refusals;
      return nullptr;
    }
    ++stats_.allocations;
    stats_.peak_bytes[index] = std::max(stats_.peak_bytes[index], stats_.in_use_bytes[index]);
    stats_.total_peak_bytes = std::max(stats_.total_peak_bytes, stats_.total_in_use_bytes);
    return pointer;
  }

  void deallocated(size_t bytes, Purpose purpose) noexcept {
    const std::lock_guard lock(mutex_);
    stats_.in_use_bytes[static_cast<size_t>(purpose)] -= bytes;
    stats_.total_in_use_bytes -= bytes;
  }

  AllocatorStats stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
  }
  uint64_t bytes_in_use() const noexcept {
    const std::lock_guard lock(mutex_);
    return stats_.total_in_use_bytes;
  }
  uint64_t limit_bytes() const noexcept {
    const std::lock_guard lock(mutex_);
    return limit_bytes_;
  }
  // False, and nothing changes, when more than that is in use.
  bool set_limit_bytes(uint64_t limit_bytes) noexcept {
    const std::lock_guard lock(mutex_);
    if (stats_.total_in_use_bytes > limit_bytes) return false;
    limit_bytes_ = limit_bytes;
    return true;
  }
  void reset_peaks() noexcept {
    const std::lock_guard lock(mutex_);
    stats_.peak_bytes = stats_.in_use_bytes;
    stats_.total_peak_bytes = stats_.total_in_use_bytes;
  }
  // For a message about a refusal of `bytes`: whether the limit alone refuses them, and the numbers. Where it does not, the
  // system did, and there is no limit to tell.
  bool refuses(size_t bytes) const noexcept {
    const std::lock_guard lock(mutex_);
    return bytes > limit_bytes_ || stats_.total_in_use_bytes > limit_bytes_ - bytes;
  }
  MemoryShortage shortage(size_t bytes, const std::string& setting) const {
    MemoryShortage shortage{bytes_in_use(), UINT64_MAX, UINT64_MAX, {}};
    if (!refuses(bytes)) return shortage;
    shortage.limit_bytes = limit_bytes();
    shortage.largest_free_bytes = shortage.limit_bytes - shortage.in_use_bytes;
    shortage.setting = setting;
    return shortage;
  }

 private:
  uint64_t limit_bytes_;
  mutable std::mutex mutex_;
  AllocatorStats stats_;
};

}  // namespace tfengine
