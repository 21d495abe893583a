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
// Addresses, not memory: the blocks of most networks lie side by side, and no huge page is left half empty between them.
constexpr size_t kSlabBytes = 16 * kHugePage;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

// `bytes` (whole small pages) at an address that a huge page can have.
std::byte* map_aligned(size_t bytes) noexcept {
  const size_t mapped = bytes + kHugePage;
  void* start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
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

// The small pages that lie in between as a whole.
void give_back(std::byte* begin, size_t from, size_t to) noexcept {
  from = round_up(from, kSmallPage);
  to = to / kSmallPage * kSmallPage;
  if (from < to) static_cast<void>(madvise(begin + from, to - from, MADV_DONTNEED));
}

}  // namespace

HugePages::~HugePages() {
  for (const auto& [begin, slab] : slabs_) munmap(begin, slab.bytes);
}

HugePages::Slabs::iterator HugePages::new_slab(size_t bytes) noexcept {
  std::byte* begin = map_aligned(bytes);
  if (begin == nullptr) return slabs_.end();
  try {
    Slab slab{bytes, std::make_unique<ArenaAllocator>(begin, bytes), 0, false};
    return slabs_.emplace(begin, std::move(slab)).first;
  } catch (const std::bad_alloc&) {
    munmap(begin, bytes);
    return slabs_.end();
  }
}

void* HugePages::cut(std::byte* begin, Slab& slab, size_t bytes, size_t alignment) noexcept {
  void* block = slab.blocks->allocate(bytes, alignment, Purpose::Weights);
  if (block == nullptr) return nullptr;
  slab.end = std::max(slab.end, static_cast<size_t>(static_cast<std::byte*>(block) - begin) + bytes);
  slab.trimmed = false;
  return block;
}

void* HugePages::allocate(size_t bytes, size_t alignment) noexcept {
  if (alignment > kSmallPage || bytes > SIZE_MAX / 2) return nullptr;
  for (auto& [begin, slab] : slabs_) {
    if (void* block = cut(begin, slab, bytes, alignment)) return block;
  }
  const auto made = new_slab(std::max(kSlabBytes, round_up(bytes, kSmallPage)));
  return made == slabs_.end() ? nullptr : cut(made->first, made->second, bytes, alignment);
}

HugePages::Slabs::iterator HugePages::slab_of(void* block) noexcept {
  auto* at = static_cast<std::byte*>(block);
  auto found = slabs_.upper_bound(at);
  if (found == slabs_.begin()) return slabs_.end();
  --found;
  return at < found->first + found->second.bytes ? found : slabs_.end();
}

bool HugePages::deallocate(void* block, size_t bytes) noexcept {
  const auto found = slab_of(block);
  if (found == slabs_.end()) return false;
  auto& [begin, slab] = *found;
  slab.blocks->deallocate(block, bytes, Purpose::Weights);
  if (slab.blocks->bytes_in_use() == 0) {
    munmap(begin, slab.bytes);
    slabs_.erase(found);
    return true;
  }
  const auto at = static_cast<size_t>(static_cast<std::byte*>(block) - begin);
  give_back(begin, at, at + bytes);
  return true;
}

void HugePages::trim() noexcept {
  for (auto& [begin, slab] : slabs_) {
    if (slab.trimmed) continue;
    give_back(begin, slab.end, std::min(round_up(slab.end, kHugePage), slab.bytes));
    slab.trimmed = true;
  }
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
