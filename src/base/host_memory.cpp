// SPDX-License-Identifier: Apache-2.0
#include "base/host_memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "base/buffer.h"
#include "tfengine/error.h"

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

Allocator& scratch_allocator() { return current() == nullptr ? default_allocator() : *current(); }

std::shared_ptr<void> host_bytes(size_t bytes, const std::string& what, HostBytes content) {
  const size_t size = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (current() == nullptr) {
    void* memory = std::aligned_alloc(kAlignment, size);
    if (memory == nullptr)
      throw OutOfMemory("cannot allocate " + std::to_string(size) + " bytes for " + what, size, UINT64_MAX);
    if (content == HostBytes::Zeroed) std::memset(memory, 0, size);
    return {memory, std::free};
  }
  struct Held {
    std::shared_ptr<Allocator> allocator;
    Buffer buffer;
  };
  auto held = std::make_shared<Held>(Held{current(), Buffer(*current(), size, Purpose::Weights, what)});
  if (content == HostBytes::Zeroed) std::memset(held->buffer.data(), 0, size);
  return {held, held->buffer.data()};
}

}  // namespace tfengine
