// SPDX-License-Identifier: Apache-2.0
// A GPU as a plan::Device: streams as queues, CUDA graphs as recordings.
#pragma once

#include <memory>
#include <string>

#include "backends/cuda/memory.h"
#include "plan/device.h"

namespace tfengine::cuda {

class Gpu : public plan::Device {
 public:
  // The GPU has to exist; `libraries` is what key() says of them.
  Gpu(int index, const std::string& libraries);

  std::string name() const override;
  std::string key() const override { return key_; }
  Allocator& memory() const override { return memory_; }
  Allocator& staging() const override { return staging_; }
  std::unique_ptr<plan::Queue> make_queue() const override;
  std::unique_ptr<plan::TensorCounter> make_counter() const override;

  int index() const { return index_; }
  int multiprocessors() const { return multiprocessors_; }
  PoolAllocator& pool() const { return memory_; }

 private:
  int index_;
  int multiprocessors_ = 0;
  std::string key_;
  mutable PoolAllocator memory_;
  mutable StagingAllocator staging_;
};

}  // namespace tfengine::cuda
