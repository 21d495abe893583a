// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>

#include <list>
#include <new>

#include "base/account.h"
#include "base/check.h"

namespace tfengine {

namespace {

struct Piece {
  size_t offset = 0;
  size_t bytes = 0;
  bool free = true;
};
using Pieces = std::list<Piece>;  // by offset, without gaps: giving back merges, and so needs no memory

// Pages that are really there: the system does not run short of them later.
void* map_now(size_t bytes) {
  void* start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return start == MAP_FAILED ? nullptr : start;
}

}  // namespace

struct ArenaAllocator::Impl {
  Impl(void* memory, size_t size, Device where, std::string name)
      : begin(static_cast<std::byte*>(memory)),
        bytes(size),
        device(where),
        setting(std::move(name)),
        account(size),
        pieces{{0, size, true}} {}
  ~Impl() {
    if (mapped) munmap(begin, bytes);
  }

  // Bytes to skip in front of `offset` for the alignment.
  size_t gap_at(size_t offset, size_t alignment) const {
    const size_t past = (reinterpret_cast<uintptr_t>(begin) + offset) & (alignment - 1);
    return past == 0 ? 0 : alignment - past;
  }

  Pieces::iterator best_fit(size_t wanted, size_t alignment) {
    auto best = pieces.end();
    for (auto at = pieces.begin(); at != pieces.end(); ++at) {
      if (!at->free || at->bytes < wanted || at->bytes - wanted < gap_at(at->offset, alignment)) continue;
      if (best == pieces.end() || at->bytes < best->bytes) best = at;
    }
    return best;
  }

  void* take(size_t wanted, size_t alignment) noexcept {
    const std::lock_guard lock(mutex);
    const auto found = best_fit(wanted, alignment);
    if (found == pieces.end()) return nullptr;
    const size_t gap = gap_at(found->offset, alignment);
    const size_t rest = found->bytes - gap - wanted;
    try {
      // The books' memory first: what fails leaves them as they are.
      Pieces before, behind;
      if (gap > 0) before.push_back({found->offset, gap, true});
      if (rest > 0) behind.push_back({found->offset + gap + wanted, rest, true});
      *found = {found->offset + gap, wanted, false};
      pieces.splice(found, before);
      pieces.splice(std::next(found), behind);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    return begin + found->offset;
  }

  void give_back(void* pointer) noexcept {
    const std::lock_guard lock(mutex);
    const size_t offset = static_cast<size_t>(static_cast<std::byte*>(pointer) - begin);
    auto at = pieces.begin();
    while (at != pieces.end() && (at->free || at->offset != offset)) ++at;
    if (at == pieces.end()) return;
    at->free = true;
    if (const auto next = std::next(at); next != pieces.end() && next->free) {
      at->bytes += next->bytes;
      pieces.erase(next);
    }
    if (at != pieces.begin() && std::prev(at)->free) {
      std::prev(at)->bytes += at->bytes;
      pieces.erase(at);
    }
  }

  uint64_t largest_free_bytes() noexcept {
    const std::lock_guard lock(mutex);
    uint64_t largest = 0;
    for (const Piece& piece : pieces) largest = std::max<uint64_t>(largest, piece.free ? piece.bytes : 0);
    return largest;
  }

  std::byte* begin;
  size_t bytes;
  Device device;
  std::string setting;
  bool mapped = false;
  Account account;
  std::mutex mutex;
  Pieces pieces;
};

ArenaAllocator::ArenaAllocator(size_t bytes, std::string setting) {
  void* memory = bytes == 0 ? nullptr : map_now(bytes);
  if (bytes > 0 && memory == nullptr) {
    throw OutOfMemory(fmt::format("out of memory: the system refused {} bytes for an arena", bytes), bytes, UINT64_MAX);
  }
  try {
    impl_ = std::make_unique<Impl>(memory, bytes, Device{}, std::move(setting));
    impl_->mapped = bytes > 0;
  } catch (...) {
    if (memory != nullptr) munmap(memory, bytes);
    throw;
  }
}

ArenaAllocator::ArenaAllocator(void* memory, size_t bytes, Device device, std::string setting)
    : impl_(std::make_unique<Impl>(memory, bytes, device, std::move(setting))) {}

ArenaAllocator::~ArenaAllocator() = default;

void* ArenaAllocator::allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept {
  if (bytes == 0 || !is_sound_request(bytes, alignment)) return nullptr;
  return impl_->account.allocate(bytes, purpose, [&] { return impl_->take(bytes, alignment); });
}

void ArenaAllocator::deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept {
  if (pointer == nullptr) return;
  impl_->give_back(pointer);
  impl_->account.deallocated(bytes, purpose);
}

Device ArenaAllocator::device() const noexcept { return impl_->device; }
uint64_t ArenaAllocator::bytes_in_use() const noexcept { return impl_->account.bytes_in_use(); }
uint64_t ArenaAllocator::limit_bytes() const noexcept { return impl_->bytes; }

MemoryShortage ArenaAllocator::shortage(size_t) const {
  return {impl_->account.bytes_in_use(), impl_->bytes, impl_->largest_free_bytes(), impl_->setting};
}

AllocatorStats ArenaAllocator::stats() const { return impl_->account.stats(); }
uint64_t ArenaAllocator::largest_free_bytes() const noexcept { return impl_->largest_free_bytes(); }

}  // namespace tfengine
