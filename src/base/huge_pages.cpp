// SPDX-License-Identifier: Apache-2.0
#include "base/huge_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <mutex>
#include <new>

namespace tfengine {

namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kSmallPage = 4096;
constexpr size_t kSlabBytes = 4 * kHugePage;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

// `bytes` (whole small pages) at an address that a huge page can have.
std::byte* map_aligned(size_t bytes) noexcept {
  const size_t mapped = bytes + kHugePage;
  void* start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(start);
  const auto address = reinterpret_cast<uintptr_t>(start);
  const size_t before = round_up(address, kHugePage) - address;
  if (before > 0) munmap(begin, before);
  if (before < kHugePage) munmap(begin + before + bytes, kHugePage - before);
  // Advice: without huge pages all works as well.
  static_cast<void>(madvise(begin + before, bytes, MADV_HUGEPAGE));
  return begin + before;
}

}  // namespace

HugePages::~HugePages() {
  for (const auto& [begin, slab] : slabs_) munmap(begin, slab.bytes);
}

std::byte* HugePages::new_slab(size_t bytes) noexcept {
  std::byte* begin = map_aligned(bytes);
  if (begin == nullptr) return nullptr;
  try {
    slabs_[begin].bytes = bytes;
  } catch (const std::bad_alloc&) {
    munmap(begin, bytes);
    return nullptr;
  }
  return begin;
}

void* HugePages::allocate(size_t bytes, size_t alignment) noexcept {
  if (alignment > kSmallPage || bytes > SIZE_MAX / 2) return nullptr;
  // A large block has a slab of its own, whose end takes small pages.
  const bool large = bytes > kSlabBytes / 2;
  std::byte* begin = large ? nullptr : slab_with_room(bytes, alignment);
  if (begin == nullptr) begin = new_slab(large ? round_up(bytes, kSmallPage) : kSlabBytes);
  if (begin == nullptr) return nullptr;
  Slab& slab = slabs_[begin];
  const size_t at = round_up(slab.used, alignment);
  slab.used = at + bytes;
  ++slab.blocks;
  return begin + at;
}

// The fullest that has room: a slab's end that nothing fits into is lost.
std::byte* HugePages::slab_with_room(size_t bytes, size_t alignment) noexcept {
  std::byte* best = nullptr;
  size_t least = SIZE_MAX;
  for (const auto& [begin, slab] : slabs_) {
    const size_t end = round_up(slab.used, alignment) + bytes;
    if (slab.bytes != kSlabBytes || end > slab.bytes || slab.bytes - end >= least) continue;
    best = begin;
    least = slab.bytes - end;
  }
  return best;
}

bool HugePages::deallocate(void* block) noexcept {
  auto found = slabs_.upper_bound(static_cast<std::byte*>(block));
  if (found == slabs_.begin()) return false;
  --found;
  auto& [begin, slab] = *found;
  if (static_cast<std::byte*>(block) >= begin + slab.bytes) return false;
  if (--slab.blocks > 0) return true;
  munmap(begin, slab.bytes);
  slabs_.erase(found);
  return true;
}

namespace {

// Blocks that were freed, the latest last.
class KeptBlocks {
 public:
  std::byte* take(size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    for (size_t i = count_; i-- > 0;) {
      if (blocks_[i].bytes != bytes) continue;
      std::byte* begin = blocks_[i].begin;
      erase(i);
      return begin;
    }
    return nullptr;
  }

  void put(std::byte* begin, size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    while (count_ > 0 && (count_ == kMost || held_bytes_ + bytes > kMostKeptBytes)) drop_oldest();
    if (bytes > kMostKeptBytes) {
      munmap(begin, bytes);
      return;
    }
    blocks_[count_++] = {begin, bytes};
    held_bytes_ += bytes;
  }

  void clear() noexcept {
    const std::lock_guard lock(mutex_);
    while (count_ > 0) drop_oldest();
  }

 private:
  struct Block {
    std::byte* begin = nullptr;
    size_t bytes = 0;
  };
  static constexpr size_t kMost = 16;

  void erase(size_t index) noexcept {
    held_bytes_ -= blocks_[index].bytes;
    std::copy(blocks_ + index + 1, blocks_ + count_, blocks_ + index);
    --count_;
  }
  void drop_oldest() noexcept {
    munmap(blocks_[0].begin, blocks_[0].bytes);
    erase(0);
  }

  std::mutex mutex_;
  Block blocks_[kMost];
  size_t count_ = 0;
  size_t held_bytes_ = 0;
};

// Never destroyed: tensors may outlive every other static object.
KeptBlocks& kept_blocks() {
  static KeptBlocks& blocks = *new KeptBlocks;
  return blocks;
}

}  // namespace

std::shared_ptr<void> huge_block(size_t bytes) {
  const size_t mapped = round_up(bytes, kSmallPage);
  std::byte* begin = kept_blocks().take(mapped);
  if (begin == nullptr) begin = map_aligned(mapped);
  if (begin == nullptr) return nullptr;
  return {begin, [mapped](std::byte* block) { kept_blocks().put(block, mapped); }};
}

void release_huge_blocks() { kept_blocks().clear(); }

}  // namespace tfengine
