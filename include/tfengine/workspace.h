// SPDX-License-Identifier: Apache-2.0
// Scratch memory of tactics: an engine's own, kept or only while it runs, or one block for many engines.
#pragma once

#include <cstdint>
#include <memory>

#include "tfengine/allocator.h"
#include "tfengine/export.h"

namespace tfengine {

// Whether an engine keeps its workspace between runs. Taking it for each run costs an allocation per run, and addresses
// that may move.
enum class WorkspaceUse : uint8_t { Kept, WhileRunning };

namespace detail {
class WorkspaceBlock;
}

// One workspace for all engines that are given it (EngineOptions::shared_workspace): as large as the largest of them needs, in
// place of the sum. Their runs take turns. It may be given to engines of several threads.
class TFE_API SharedWorkspace {
 public:
  // Tactics that need more than `limit_bytes` are not eligible in engines made with it. `allocator` (null: default_allocator())
  // outlives it; the memory counts there, and in no engine's own limit.
  explicit SharedWorkspace(uint64_t limit_bytes = uint64_t{1} << 30, WorkspaceUse use = WorkspaceUse::Kept,
                           Allocator* allocator = nullptr);
  ~SharedWorkspace();
  SharedWorkspace(const SharedWorkspace&) = delete;
  SharedWorkspace& operator=(const SharedWorkspace&) = delete;
  uint64_t limit_bytes() const;
  // Held now, and at most so far.
  uint64_t bytes() const;
  uint64_t peak_bytes() const;
  // Gives back what is kept, when no engine runs with it; the next run takes it again.
  void release();

  const std::shared_ptr<detail::WorkspaceBlock>& block() const { return block_; }

 private:
  uint64_t limit_bytes_;
  std::shared_ptr<detail::WorkspaceBlock> block_;
};

}  // namespace tfengine
