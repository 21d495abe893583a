// SPDX-License-Identifier: Apache-2.0
// A block of scratch memory that runs take turns in. It grows to the largest need, and is never held twice: a larger one is
// taken when the smaller one is gone.
#pragma once

#include <mutex>
#include <string>

#include "base/buffer.h"
#include "tfengine/workspace.h"

namespace tfengine::detail {

class WorkspaceBlock {
 public:
  WorkspaceBlock(Allocator& allocator, WorkspaceUse use) : allocator_(allocator), use_(use) {}

  // The block is this one's alone as long as it lives.
  class Turn {
   public:
    Turn(WorkspaceBlock& block, uint64_t bytes, const std::string& what);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    std::byte* data() const { return block_.buffer_.data(); }

   private:
    WorkspaceBlock& block_;
    std::lock_guard<std::mutex> lock_;
  };

  uint64_t bytes() const;
  uint64_t peak_bytes() const;
  void release();

 private:
  Allocator& allocator_;
  WorkspaceUse use_;
  mutable std::mutex mutex_;  // held during a run
  Buffer buffer_;
  uint64_t peak_bytes_ = 0;
};

}  // namespace tfengine::detail
