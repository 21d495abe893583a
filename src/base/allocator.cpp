// SPDX-License-Identifier: Apache-2.0
#include "tfengine/allocator.h"

#include <utility>

#include "base/account.h"
#include "base/system_memory.h"

namespace tfengine {

const char* purpose_name(Purpose purpose) {
  constexpr const char* kNames[kPurposes] = {"weights", "activations", "workspace", "temporary"};
  return kNames[static_cast<size_t>(purpose)];
}

void* Allocator::allocate_on(Stream, size_t bytes, size_t alignment, Purpose purpose) noexcept {
  return allocate(bytes, alignment, purpose);
}

void Allocator::deallocate_on(Stream, void* pointer, size_t bytes, Purpose purpose) noexcept {
  deallocate(pointer, bytes, purpose);
}

MemoryShortage Allocator::shortage(size_t) const {
  MemoryShortage shortage{bytes_in_use(), limit_bytes(), UINT64_MAX, {}};
  if (shortage.limit_bytes != UINT64_MAX && shortage.in_use_bytes <= shortage.limit_bytes) {
    shortage.largest_free_bytes = shortage.limit_bytes - shortage.in_use_bytes;
  }
  return shortage;
}

struct SystemAllocator::Impl {
  Impl(uint64_t most, std::string name) : account(most), setting(std::move(name)) {}
  Account account;
  std::string setting;
  SystemMemory memory;
};

SystemAllocator::SystemAllocator(uint64_t limit_bytes, std::string setting)
    : impl_(std::make_unique<Impl>(limit_bytes, std::move(setting))) {}

SystemAllocator::~SystemAllocator() = default;

void* SystemAllocator::allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept {
  if (bytes == 0 || !is_sound_request(bytes, alignment)) return nullptr;
  return impl_->account.allocate(bytes, purpose, [&] { return impl_->memory.allocate(bytes, alignment, purpose); });
}

void SystemAllocator::deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept {
  if (pointer == nullptr) return;
  impl_->memory.deallocate(pointer, bytes, purpose);
  impl_->account.deallocated(bytes, purpose);
}

uint64_t SystemAllocator::bytes_in_use() const noexcept { return impl_->account.bytes_in_use(); }
uint64_t SystemAllocator::limit_bytes() const noexcept { return impl_->account.limit_bytes(); }
MemoryShortage SystemAllocator::shortage(size_t bytes) const { return impl_->account.shortage(bytes, impl_->setting); }
AllocatorStats SystemAllocator::stats() const { return impl_->account.stats(); }

struct LimitedAllocator::Impl {
  Impl(Allocator& inner, uint64_t most, std::string name) : upstream(inner), account(most), setting(std::move(name)) {}
  Allocator& upstream;
  Account account;
  std::string setting;
};

LimitedAllocator::LimitedAllocator(Allocator& upstream, uint64_t limit_bytes, std::string setting)
    : impl_(std::make_unique<Impl>(upstream, limit_bytes, std::move(setting))) {}

LimitedAllocator::~LimitedAllocator() = default;

void* LimitedAllocator::allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept {
  if (bytes == 0 || !is_sound_request(bytes, alignment)) return nullptr;
  return impl_->account.allocate(bytes, purpose, [&] { return impl_->upstream.allocate(bytes, alignment, purpose); });
}

void LimitedAllocator::deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept {
  if (pointer == nullptr) return;
  impl_->upstream.deallocate(pointer, bytes, purpose);
  impl_->account.deallocated(bytes, purpose);
}

void* LimitedAllocator::allocate_on(Stream stream, size_t bytes, size_t alignment, Purpose purpose) noexcept {
  if (bytes == 0 || !is_sound_request(bytes, alignment)) return nullptr;
  return impl_->account.allocate(bytes, purpose,
                                 [&] { return impl_->upstream.allocate_on(stream, bytes, alignment, purpose); });
}

void LimitedAllocator::deallocate_on(Stream stream, void* pointer, size_t bytes, Purpose purpose) noexcept {
  if (pointer == nullptr) return;
  impl_->upstream.deallocate_on(stream, pointer, bytes, purpose);
  impl_->account.deallocated(bytes, purpose);
}

Device LimitedAllocator::device() const noexcept { return impl_->upstream.device(); }
uint64_t LimitedAllocator::bytes_in_use() const noexcept { return impl_->account.bytes_in_use(); }
uint64_t LimitedAllocator::limit_bytes() const noexcept { return impl_->account.limit_bytes(); }

MemoryShortage LimitedAllocator::shortage(size_t bytes) const {
  return impl_->account.refuses(bytes) ? impl_->account.shortage(bytes, impl_->setting)
                                       : impl_->upstream.shortage(bytes);
}

AllocatorStats LimitedAllocator::stats() const { return impl_->account.stats(); }
Allocator& LimitedAllocator::upstream() const { return impl_->upstream; }

}  // namespace tfengine
