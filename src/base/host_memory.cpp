// SPDX-License-Identifier: Apache-2.0
#include "base/host_memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "base/buffer.h"
#include "base/check.h"

namespace tfengine {

namespace {

std::shared_ptr<Allocator>& current() {
  thread_local std::shared_ptr<Allocator> allocator;
  return allocator;
}

}  // namespace

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
  if (current() == nullptr) {
    void* memory = std::aligned_alloc(kAlignment, size);
    if (memory == nullptr) {
      throw OutOfMemory(fmt::format("out of memory: {} bytes for {}; the system refused", size, what), size,
                        UINT64_MAX);
    }
    if (content == HostBytes::Zeroed) std::memset(memory, 0, size);
    return {memory, std::free};
  }
  struct Held {
    std::shared_ptr<Allocator> allocator;
    Buffer buffer;
  };
  auto held = std::make_shared<Held>(Held{current(), Buffer(*current(), size, Purpose::Temporary, what)});
  if (content == HostBytes::Zeroed) std::memset(held->buffer.data(), 0, size);
  return {held, held->buffer.data()};
}

}  // namespace tfengine
