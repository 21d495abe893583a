// SPDX-License-Identifier: Apache-2.0
// TensorFlow's allocator of a device as an Allocator: what an engine keeps is counted and bounded by TensorFlow.
#pragma once

#include <atomic>

#include "tensorflow/core/framework/allocator.h"
#include "tfengine/allocator.h"

namespace tfengine::plugin {

class DeviceAllocator : public Allocator {
 public:
  // `allocator` belongs to the device's process state and outlives every device.
  explicit DeviceAllocator(tensorflow::Allocator* allocator) : allocator_(allocator) {}

  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override;
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override;
  // What was asked of TensorFlow through this object.
  uint64_t bytes_in_use() const noexcept override { return in_use_bytes_; }
  uint64_t limit_bytes() const noexcept override;
  // TensorFlow's numbers for all that it gave, to whomever.
  MemoryShortage shortage(size_t bytes) const noexcept override;

 private:
  tensorflow::Allocator* allocator_;
  std::atomic<uint64_t> in_use_bytes_{0};
};

}  // namespace tfengine::plugin
