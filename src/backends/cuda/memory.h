// SPDX-License-Identifier: Apache-2.0
// Memory of a GPU from a stream-ordered pool of our own, under a limit that both our account and the pool hold; and
// page-locked memory of the host.
#pragma once

#include <cuda_runtime_api.h>

#include <mutex>

#include "tfengine/gpu.h"

namespace tfengine::cuda {

// An account per purpose.
class Books {
 public:
  // False: it would bring the sum above the limit.
  bool take(size_t bytes, Purpose purpose);
  void give_back(size_t bytes, Purpose purpose);
  AllocatorStats stats() const;
  uint64_t in_use() const;
  uint64_t limit() const;
  void set_limit(uint64_t bytes);

 private:
  mutable std::mutex mutex_;
  AllocatorStats stats_;
  uint64_t limit_ = UINT64_MAX;
};

class PoolAllocator : public Allocator {
 public:
  explicit PoolAllocator(int gpu);
  ~PoolAllocator() override;
  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override;
  // Behind all that uses it: the caller waited.
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override;
  uint64_t bytes_in_use() const noexcept override { return books_.in_use(); }
  uint64_t limit_bytes() const noexcept override { return books_.limit(); }
  AllocatorStats stats() const { return books_.stats(); }
  // The limit, in a pool made anew: nothing may be in use. InvalidArgument.
  void configure(const GpuMemoryOptions& options);

 private:
  void make_pool(uint64_t limit_bytes);

  int gpu_;
  Books books_;
  std::mutex mutex_;  // of what follows
  cudaMemPool_t pool_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

class StagingAllocator : public Allocator {
 public:
  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override;
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override;
  uint64_t bytes_in_use() const noexcept override { return books_.in_use(); }
  uint64_t limit_bytes() const noexcept override { return books_.limit(); }

 private:
  Books books_;
};

}  // namespace tfengine::cuda
