// SPDX-License-Identifier: Apache-2.0
#include "base/workspace.h"

#include <algorithm>

namespace tfengine {

namespace detail {

WorkspaceBlock::Turn::Turn(WorkspaceBlock& block, uint64_t bytes, const std::string& what)
    : block_(block), lock_(block.mutex_) {
  if (bytes <= block.buffer_.bytes()) return;
  block.buffer_ = Buffer();
  block.buffer_ = Buffer(block.allocator_, bytes, Purpose::Workspace, what);
  block.peak_bytes_ = std::max(block.peak_bytes_, bytes);
}

WorkspaceBlock::Turn::~Turn() {
  if (block_.use_ == WorkspaceUse::WhileRunning) block_.buffer_ = Buffer();
}

uint64_t WorkspaceBlock::bytes() const {
  const std::lock_guard lock(mutex_);
  return buffer_.bytes();
}

uint64_t WorkspaceBlock::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return peak_bytes_;
}

void WorkspaceBlock::release() {
  const std::lock_guard lock(mutex_);
  buffer_ = Buffer();
}

}  // namespace detail

SharedWorkspace::SharedWorkspace(uint64_t limit_bytes, WorkspaceUse use, Allocator* allocator)
    : limit_bytes_(limit_bytes),
      block_(std::make_shared<detail::WorkspaceBlock>(allocator == nullptr ? default_allocator() : *allocator, use)) {}

SharedWorkspace::~SharedWorkspace() = default;

uint64_t SharedWorkspace::limit_bytes() const { return limit_bytes_; }
uint64_t SharedWorkspace::bytes() const { return block_->bytes(); }
uint64_t SharedWorkspace::peak_bytes() const { return block_->peak_bytes(); }
void SharedWorkspace::release() { block_->release(); }

}  // namespace tfengine
