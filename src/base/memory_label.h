// SPDX-License-Identifier: Apache-2.0
// Whose memory this thread asks for: which engine, and which of its steps. Only a refusal's message says so; without one,
// a label costs two pointers.
#pragma once

#include <string_view>

namespace tfengine {

class MemoryLabel {
 public:
  // The strings outlive the label. An empty engine: that of the label around this one.
  MemoryLabel(std::string_view engine, std::string_view step)
      : engine_(engine.empty() && current_ != nullptr ? current_->engine_ : engine), step_(step), outer_(current_) {
    current_ = this;
  }
  ~MemoryLabel() { current_ = outer_; }
  MemoryLabel(const MemoryLabel&) = delete;
  MemoryLabel& operator=(const MemoryLabel&) = delete;

  // The innermost on this thread; empty outside of every label.
  static std::string_view engine() { return current_ == nullptr ? std::string_view() : current_->engine_; }
  static std::string_view step() { return current_ == nullptr ? std::string_view() : current_->step_; }

 private:
  std::string_view engine_, step_;
  const MemoryLabel* outer_;
  static thread_local const MemoryLabel* current_;
};

}  // namespace tfengine
