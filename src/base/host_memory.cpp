// SPDX-License-Identifier: Apache-2.0
#include "base/host_memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "base/buffer.h"
#include "base/check.h"
#include "base/huge_pages.h"

namespace tfengine {

namespace {

std::shared_ptr<Allocator>& current() {
  thread_local std::shared_ptr<Allocator> allocator;
  return allocator;
}

bool& uncleared() {
  thread_local bool flag = false;
  return flag;
}

// The C library hands blocks of 32 MiB and more back to the system as soon as they are freed, and several smaller ones that
// are freed together, so that each comes in small pages which are cleared one by one at their first use.
constexpr size_t kNeverKeptBytes = size_t{8} << 20;

}  // namespace

UnclearedTensors::UnclearedTensors() : outer_(std::exchange(uncleared(), true)) {}
UnclearedTensors::~UnclearedTensors() { uncleared() = outer_; }

HostMemoryScope::HostMemoryScope(std::shared_ptr<Allocator> allocator)
    : outer_(std::exchange(current(), std::move(allocator))) {}

HostMemoryScope::~HostMemoryScope() { current() = std::move(outer_); }

const std::shared_ptr<Allocator>& host_memory() { return current(); }

std::shared_ptr<Allocator> scratch_memory() {
  // The process's own is never destroyed: nothing has to own it.
  return current() == nullptr ? std::shared_ptr<Allocator>(std::shared_ptr<void>(), &default_allocator()) : current();
}

Allocator& scratch_allocator() { return current() == nullptr ? default_allocator() : *current(); }

std::shared_ptr<void> host_bytes(size_t bytes, const std::string& what, HostBytes content) {
  const size_t size = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  const bool clear = content == HostBytes::Zeroed && !uncleared();
  if (current() == nullptr) {
    if (!clear && size >= kNeverKeptBytes) {
      if (auto block = huge_block(size)) return block;
    }
    void* memory = std::aligned_alloc(kAlignment, size);
    if (memory == nullptr) {
      throw OutOfMemory(fmt::format("out of memory: {} bytes for {}; the system refused", size, what), size,
                        UINT64_MAX);
    }
    if (clear) std::memset(memory, 0, size);
    return {memory, std::free};
  }
  struct Held {
    std::shared_ptr<Allocator> allocator;
    Buffer buffer;
  };
  auto held = std::make_shared<Held>(Held{current(), Buffer(*current(), size, Purpose::Temporary, what)});
  if (clear) std::memset(held->buffer.data(), 0, size);
  return {held, held->buffer.data()};
}

}  // namespace tfengine
