// SPDX-License-Identifier: Apache-2.0
#include "runtime/shape_entry.h"

#include "runtime/engine_core.h"

namespace tfengine::runtime {

ShapeEntry::Lease::~Lease() {
  const std::lock_guard lock(entry_.mutex_);
  entry_.free_.push_back(std::move(context_));
}

ShapeEntry::Lease ShapeEntry::lease() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      std::unique_ptr<Context> context = std::move(free_.back());
      free_.pop_back();
      return {*this, std::move(context)};
    }
    // The handle's return must not need memory.
    free_.reserve(static_cast<size_t>(contexts_) + 1);
  }
  auto made = make_context(prepared_, memory_);
  const std::lock_guard lock(mutex_);
  free_.reserve(static_cast<size_t>(contexts_) + 1);
  ++contexts_;
  held_bytes_ += made->held_bytes();
  return {*this, std::move(made)};
}

bool ShapeEntry::release_idle() {
  bool later = false;
  if (next_ != nullptr) next_->for_each_engine([&](EngineCore& engine) { later = engine.release_contexts() || later; });
  std::vector<std::unique_ptr<Context>> idle;  // freed behind the lock
  const std::lock_guard lock(mutex_);
  idle.reserve(static_cast<size_t>(contexts_));  // what is left keeps its room to return to
  uint64_t bytes = 0;
  for (std::unique_ptr<Context>& context : free_) {
    --contexts_;
    bytes += context->held_bytes();
    idle.push_back(std::move(context));
  }
  held_bytes_ -= bytes;
  free_.clear();
  return later || bytes > 0;
}

int ShapeEntry::contexts() const {
  const std::lock_guard lock(mutex_);
  return contexts_;
}

uint64_t ShapeEntry::held_bytes() const {
  uint64_t later_bytes = 0;
  if (next_ != nullptr) next_->for_each_engine([&](const EngineCore& engine) { later_bytes += engine.held_bytes(); });
  const std::lock_guard lock(mutex_);
  return held_bytes_ + later_bytes;
}

void for_each_stage(const ShapeEntry& entry, const std::function<void(const ShapeEntry&)>& use) {
  use(entry);
  if (entry.next() == nullptr) return;
  entry.next()->for_each_engine([&](const EngineCore& engine) {
    if (const auto latest = engine.latest()) for_each_stage(*latest, use);
  });
}

}  // namespace tfengine::runtime
