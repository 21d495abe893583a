// SPDX-License-Identifier: Apache-2.0
// A block of memory from an Allocator, freed with its owner. Refusal becomes OutOfMemory with the numbers.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "tfengine/allocator.h"

namespace tfengine {

// Alignment of every block: a cache line, and the widest vector register of current CPUs.
inline constexpr size_t kAlignment = 64;

class Buffer {
 public:
  Buffer() = default;
  // `what` names the tensor, step or engine in the message of a refusal.
  Buffer(Allocator& allocator, size_t bytes, Purpose purpose, const std::string& what);
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(allocator_, other.allocator_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(purpose_, other.purpose_);
  }
  Allocator* allocator_ = nullptr;
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  Purpose purpose_ = Purpose::Temporary;
};

}  // namespace tfengine
