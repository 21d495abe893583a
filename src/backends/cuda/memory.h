// SPDX-License-Identifier: Apache-2.0
// Memory of a GPU from a stream-ordered pool of our own, under a limit that both our account and the pool hold; and
// page-locked memory of the host.
#pragma once

#include <cuda_runtime_api.h>

#include <mutex>

#include "base/account.h"
#include "tfengine/gpu.h"

namespace tfengine::cuda {

class PoolAllocator : public Allocator {
 public:
  explicit PoolAllocator(int gpu);
  ~PoolAllocator() override;
  Device device() const noexcept override { return {DeviceKind::Cuda, gpu_}; }
  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override;
  // Behind all that uses it: the caller waited.
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override;
  uint64_t bytes_in_use() const noexcept override { return account_.bytes_in_use(); }
  uint64_t limit_bytes() const noexcept override { return account_.limit_bytes(); }
  MemoryShortage shortage(size_t bytes) const override;
  AllocatorStats stats() const { return account_.stats(); }
  // The limit, in a pool made anew: nothing may be in use. InvalidArgument.
  void configure(const GpuMemoryOptions& options);

 private:
  void make_pool(uint64_t limit_bytes);
  void* obtain(size_t bytes) noexcept;

  int gpu_;
  Account account_{UINT64_MAX};
  std::mutex mutex_;  // of what follows
  cudaMemPool_t pool_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

class StagingAllocator : public Allocator {
 public:
  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override;
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override;
  uint64_t bytes_in_use() const noexcept override { return account_.bytes_in_use(); }
  uint64_t limit_bytes() const noexcept override { return account_.limit_bytes(); }

 private:
  Account account_{UINT64_MAX};
};

}  // namespace tfengine::cuda
