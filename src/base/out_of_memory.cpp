// SPDX-License-Identifier: Apache-2.0
#include "base/out_of_memory.h"

#include <utility>

#include "base/check.h"
#include "base/memory_label.h"

namespace tfengine {

thread_local const MemoryLabel* MemoryLabel::current_ = nullptr;

OutOfMemory::OutOfMemory(const std::string& message, MemoryRefusal refusal)
    : Error(message), refusal_(std::make_shared<const MemoryRefusal>(std::move(refusal))) {}

namespace {

MemoryRefusal refusal_of(uint64_t requested_bytes, uint64_t limit_bytes) {
  MemoryRefusal refusal;
  refusal.requested_bytes = requested_bytes;
  refusal.limit_bytes = limit_bytes;
  return refusal;
}

}  // namespace

OutOfMemory::OutOfMemory(const std::string& message, uint64_t requested_bytes, uint64_t limit_bytes)
    : OutOfMemory(message, refusal_of(requested_bytes, limit_bytes)) {}

namespace {

std::string text_of(const MemoryRefusal& refusal) {
  std::string text = fmt::format("out of memory: {} bytes of {} memory for {}", refusal.requested_bytes,
                                 refusal.purpose, refusal.what);
  if (!refusal.engine.empty()) text += fmt::format(" of engine '{}'", refusal.engine);
  text += fmt::format("; {} bytes in use, limit ", refusal.in_use_bytes);
  text +=
      refusal.limit_bytes == UINT64_MAX ? "none (the system refused)" : fmt::format("{} bytes", refusal.limit_bytes);
  if (refusal.largest_free_bytes != UINT64_MAX) {
    text += fmt::format(", largest free block {} bytes", refusal.largest_free_bytes);
  }
  if (!refusal.setting.empty()) text += "; raise " + refusal.setting;
  return text;
}

}  // namespace

void throw_out_of_memory(const Allocator& allocator, size_t bytes, Purpose purpose, const std::string& what) {
  MemoryShortage shortage = allocator.shortage(bytes);
  MemoryRefusal refusal;
  refusal.requested_bytes = bytes;
  refusal.purpose = purpose_name(purpose);
  refusal.what = what;
  if (!MemoryLabel::step().empty()) refusal.what += fmt::format(" of step '{}'", MemoryLabel::step());
  refusal.engine = MemoryLabel::engine();
  refusal.in_use_bytes = shortage.in_use_bytes;
  refusal.limit_bytes = shortage.limit_bytes;
  refusal.largest_free_bytes = shortage.largest_free_bytes;
  refusal.setting = std::move(shortage.setting);
  const std::string text = text_of(refusal);
  throw OutOfMemory(text, std::move(refusal));
}

}  // namespace tfengine
