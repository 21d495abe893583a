// SPDX-License-Identifier: Apache-2.0
#include "base/process_memory.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "base/check.h"

namespace tfengine {

namespace {

struct Limit {
  uint64_t bytes = UINT64_MAX;
  std::string setting;  // for messages
};

Limit limit_of(const MemoryLimits& limits) {
  if (std::isnan(limits.memory_fraction) || limits.memory_fraction < 0.0 || limits.memory_fraction > 1.0) {
    fail<InvalidArgument>("memory_fraction: got {}, expected a number above 0 and at most 1, or 0 for none",
                          limits.memory_fraction);
  }
  Limit limit{limits.memory_limit_bytes, "memory_limit_bytes"};
  if (limits.memory_fraction == 0.0) return limit;
  const AvailableMemory available = available_memory();
  const double share = limits.memory_fraction * static_cast<double>(available.bytes);
  // The conversion of 2^64 is undefined.
  const uint64_t bytes = share >= 0x1p63 ? UINT64_MAX : static_cast<uint64_t>(share);
  if (bytes >= limit.bytes) return limit;
  return {bytes, fmt::format("memory_fraction ({} of the {} bytes that the {} gives the process)",
                             limits.memory_fraction, available.bytes, available.source)};
}

template <typename T>
bool read_number(const char* name, T& number) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return false;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, number);
  if (error != std::errc{} || stop != end) fail<InvalidArgument>("{}: got '{}', expected a number", name, text);
  return true;
}

}  // namespace

MemoryLimits memory_limits_of_environment() {
  MemoryLimits limits;
  read_number("TFENGINE_MEMORY_FRACTION", limits.memory_fraction);
  read_number("TFENGINE_MEMORY_LIMIT_BYTES", limits.memory_limit_bytes);
  int growth = 1;
  if (read_number("TFENGINE_ALLOW_GROWTH", growth)) limits.allow_growth = growth != 0;
  return limits;
}

void* ProcessAllocator::allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept {
  if (bytes == 0 || !is_sound_request(bytes, alignment)) return nullptr;
  const std::shared_lock lock(mutex_);
  return account_.allocate(bytes, purpose, [&] {
    return arena_ != nullptr ? arena_->allocate(bytes, alignment, purpose)
                             : memory_.allocate(bytes, alignment, purpose);
  });
}

void ProcessAllocator::deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept {
  if (pointer == nullptr) return;
  const std::shared_lock lock(mutex_);
  if (arena_ != nullptr) {
    arena_->deallocate(pointer, bytes, purpose);
  } else {
    memory_.deallocate(pointer, bytes, purpose);
  }
  account_.deallocated(bytes, purpose);
}

MemoryShortage ProcessAllocator::shortage(size_t bytes) const {
  const std::shared_lock lock(mutex_);
  if (arena_ == nullptr) return account_.shortage(bytes, setting_);
  return {account_.bytes_in_use(), account_.limit_bytes(), arena_->largest_free_bytes(), setting_};
}

void ProcessAllocator::set_limits(const MemoryLimits& limits) {
  Limit limit = limit_of(limits);
  const std::unique_lock lock(mutex_);
  const uint64_t in_use = account_.bytes_in_use();
  std::unique_ptr<ArenaAllocator> arena;
  if (!limits.allow_growth || arena_ != nullptr) {
    if (in_use > 0) {
      fail<InvalidArgument>(
          "allow_growth: engines use {} bytes already, and memory is taken at once before the first of them only",
          in_use);
    }
  }
  if (!limits.allow_growth) {
    if (limit.bytes == UINT64_MAX) {
      fail<InvalidArgument>("allow_growth: to take all memory at once takes memory_fraction or memory_limit_bytes");
    }
    const uint64_t free_bytes = available_memory().free_bytes;
    if (limit.bytes > free_bytes) {
      throw OutOfMemory(
          fmt::format("out of memory: {} bytes are to be taken at once, {} are free; lower {}, or allow growth",
                      limit.bytes, free_bytes, limit.setting),
          limit.bytes, free_bytes);
    }
    arena_.reset();  // two at once may be more than there is
    arena = std::make_unique<ArenaAllocator>(limit.bytes);
  }
  if (!account_.set_limit_bytes(limit.bytes)) {
    throw OutOfMemory(
        fmt::format("out of memory: engines use {} bytes already, which is more than the limit of {} bytes; raise {}",
                    in_use, limit.bytes, limit.setting),
        in_use, limit.bytes);
  }
  arena_ = std::move(arena);
  limits_ = limits;
  setting_ = std::move(limit.setting);
}

ProcessMemory ProcessAllocator::state() const {
  const std::shared_lock lock(mutex_);
  return {limits_, account_.limit_bytes(), account_.stats()};
}

namespace {

// Never destroyed: engines may outlive every other static object.
ProcessAllocator& process_allocator() {
  static ProcessAllocator& allocator = *new ProcessAllocator(memory_limits_of_environment());
  return allocator;
}

}  // namespace

Allocator& default_allocator() { return process_allocator(); }
void set_memory_limits(const MemoryLimits& limits) { process_allocator().set_limits(limits); }
ProcessMemory process_memory() { return process_allocator().state(); }
void reset_process_memory_peaks() { process_allocator().reset_peaks(); }

}  // namespace tfengine
