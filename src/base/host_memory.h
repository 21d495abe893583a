// SPDX-License-Identifier: Apache-2.0
// Where this thread's own tensors and its scratch memory come from. By default from the system; while a scope lives, from
// the host's allocator: folded constants and what is used to time tactics are then counted and bounded there too.
#pragma once

#include <memory>
#include <string>

#include "tfengine/allocator.h"

namespace tfengine {

class TFE_API HostMemoryScope {
 public:
  // Tensors made in the scope share `allocator`: it lives as long as the last of them.
  explicit HostMemoryScope(std::shared_ptr<Allocator> allocator);
  ~HostMemoryScope();
  HostMemoryScope(const HostMemoryScope&) = delete;
  HostMemoryScope& operator=(const HostMemoryScope&) = delete;

 private:
  std::shared_ptr<Allocator> outer_;
};

// While it lives, tensors that this thread makes hold anything: for results that are written whole before somebody reads
// them. Clearing them first would cost as much as a simple step does.
class TFE_API UnclearedTensors {
 public:
  UnclearedTensors();
  ~UnclearedTensors();
  UnclearedTensors(const UnclearedTensors&) = delete;
  UnclearedTensors& operator=(const UnclearedTensors&) = delete;

 private:
  bool outer_;
};

// The innermost scope's allocator on this thread; null outside of every scope.
const std::shared_ptr<Allocator>& host_memory();
// The same, or default_allocator().
Allocator& scratch_allocator();
std::shared_ptr<Allocator> scratch_memory();

enum class HostBytes : uint8_t { Zeroed, Uninitialized };
// `bytes` bytes at 64-byte alignment that free themselves, zeroed unless UnclearedTensors live. OutOfMemory naming `what`.
std::shared_ptr<void> host_bytes(size_t bytes, const std::string& what, HostBytes content = HostBytes::Zeroed);

}  // namespace tfengine
