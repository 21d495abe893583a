// SPDX-License-Identifier: Apache-2.0
// Allocators for tests: one that traps every byte outside of a block and every request above a limit, and one that refuses
// the request of a given number.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <map>
#include <mutex>

#include "tfengine/allocator.h"

namespace tfengine::testing {

// Each block ends at a page that cannot be touched, and begins behind one. Blocks given back with another size or purpose,
// or twice, fail the test; so does a request that would bring the sum above the limit, which it refuses: who keeps a limit
// never makes one.
class TrappingAllocator : public Allocator {
 public:
  explicit TrappingAllocator(uint64_t limit_bytes = UINT64_MAX) : limit_bytes_(limit_bytes) {}
  ~TrappingAllocator() override { EXPECT_TRUE(blocks_.empty()) << blocks_.size() << " blocks were not given back"; }

  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override {
    if (bytes == 0) return nullptr;
    const std::lock_guard lock(mutex_);
    if (bytes > limit_bytes_ || in_use_bytes_ > limit_bytes_ - bytes) {
      ADD_FAILURE() << "asked for " << bytes << " bytes with " << in_use_bytes_ << " in use and a limit of "
                    << limit_bytes_;
      return nullptr;
    }
    const size_t held = (bytes + alignment - 1) / alignment * alignment;  // a multiple of it ends at the page
    const size_t mapped = (held + kPage - 1) / kPage * kPage + 2 * kPage;
    void* start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return nullptr;
    auto* begin = static_cast<std::byte*>(start);
    mprotect(begin, kPage, PROT_NONE);
    mprotect(begin + mapped - kPage, kPage, PROT_NONE);
    std::byte* block = begin + mapped - kPage - held;
    std::memset(block + bytes, kMark, held - bytes);
    blocks_[block] = {bytes, held, purpose, begin, mapped};
    in_use_bytes_ += bytes;
    peak_bytes_ = std::max(peak_bytes_, in_use_bytes_);
    return block;
  }

  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override {
    if (pointer == nullptr) return;
    const std::lock_guard lock(mutex_);
    const auto found = blocks_.find(pointer);
    if (found == blocks_.end()) {
      ADD_FAILURE() << "a block was given back that is none";
      return;
    }
    const Block& block = found->second;
    EXPECT_EQ(block.bytes, bytes);
    EXPECT_EQ(block.purpose, purpose);
    for (size_t i = bytes; i < block.held; ++i) {
      EXPECT_EQ(static_cast<const unsigned char*>(pointer)[i], kMark) << "written behind a block of " << bytes;
    }
    in_use_bytes_ -= block.bytes;
    munmap(block.start, block.mapped);
    blocks_.erase(found);
  }

  uint64_t bytes_in_use() const noexcept override {
    const std::lock_guard lock(mutex_);
    return in_use_bytes_;
  }
  // Its limit is for those who have one of their own.
  uint64_t limit_bytes() const noexcept override { return UINT64_MAX; }
  uint64_t peak_bytes() const {
    const std::lock_guard lock(mutex_);
    return peak_bytes_;
  }

 private:
  static constexpr size_t kPage = 4096;
  static constexpr unsigned char kMark = 0xc3;
  struct Block {
    size_t bytes, held;
    Purpose purpose;
    std::byte* start;
    size_t mapped;
  };
  mutable std::mutex mutex_;
  std::map<void*, Block> blocks_;
  uint64_t limit_bytes_;
  uint64_t in_use_bytes_ = 0, peak_bytes_ = 0;
};

// Refuses one request.
class FaultyAllocator : public Allocator {
 public:
  explicit FaultyAllocator(Allocator& inner) : inner_(inner) {}
  // The next requests are numbered from 0; negative: none is refused.
  void fail_at(int number) {
    const std::lock_guard lock(mutex_);
    left_ = number;
    refused_ = false;
  }
  bool refused() const {
    const std::lock_guard lock(mutex_);
    return refused_;
  }

  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override {
    {
      const std::lock_guard lock(mutex_);
      if (left_ >= 0 && left_-- == 0) {
        refused_ = true;
        return nullptr;
      }
    }
    return inner_.allocate(bytes, alignment, purpose);
  }
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override {
    inner_.deallocate(pointer, bytes, purpose);
  }
  uint64_t bytes_in_use() const noexcept override { return inner_.bytes_in_use(); }
  uint64_t limit_bytes() const noexcept override { return inner_.limit_bytes(); }

 private:
  Allocator& inner_;
  mutable std::mutex mutex_;
  int left_ = -1;
  bool refused_ = false;
};

}  // namespace tfengine::testing
