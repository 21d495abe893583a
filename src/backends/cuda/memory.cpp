// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/memory.h"

#include <algorithm>

#include "backends/cuda/error.h"
#include "base/check.h"

namespace tfengine::cuda {

namespace {

// What the pool aligns to; the runtime's documentation promises 256 bytes.
constexpr size_t kPoolAlignment = 256;
// The pool takes memory from the driver in pieces of this size (seen with driver 580), so that its own bound is not tighter.
constexpr uint64_t kPoolGrowth = uint64_t{32} << 20;

}  // namespace

PoolAllocator::PoolAllocator(int gpu) : gpu_(gpu) {
  const UseGpu use(gpu_);
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
  make_pool(UINT64_MAX);
}

PoolAllocator::~PoolAllocator() {
  // At the end of the process the driver may be gone already, and takes everything with it.
}

void PoolAllocator::make_pool(uint64_t limit_bytes) {
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location = {cudaMemLocationTypeDevice, gpu_};
  // 0: the driver's own limit.
  properties.maxSize =
      limit_bytes > UINT64_MAX - kPoolGrowth ? 0 : (limit_bytes + kPoolGrowth - 1) / kPoolGrowth * kPoolGrowth;
  cudaMemPool_t pool = nullptr;
  check_cuda(cudaMemPoolCreate(&pool, &properties), "making a memory pool");
  // Kept for the next request rather than given back at every wait.
  uint64_t keep = UINT64_MAX;
  check_cuda(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep), "setting up a memory pool");
  if (pool_ != nullptr) check_cuda(cudaMemPoolDestroy(pool_), "removing a memory pool");
  pool_ = pool;
}

void* PoolAllocator::allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept {
  if (bytes == 0 || !is_sound_request(bytes, alignment) || alignment > kPoolAlignment) return nullptr;
  return account_.allocate(bytes, purpose, [&] { return obtain(bytes); });
}

void* PoolAllocator::obtain(size_t bytes) noexcept {
  void* pointer = nullptr;
  try {
    const UseGpu use(gpu_);
    const std::lock_guard lock(mutex_);
    const auto attempt = [&] { return cudaMallocFromPoolAsync(&pointer, bytes, pool_, stream_); };
    cudaError_t status = attempt();
    if (status == cudaErrorMemoryAllocation) {
      (void)cudaGetLastError();
      // Pieces that are free but too small go back to the driver, which makes larger ones of them.
      (void)cudaStreamSynchronize(stream_);
      (void)cudaMemPoolTrimTo(pool_, 0);
      status = attempt();
    }
    if (status == cudaSuccess) status = cudaStreamSynchronize(stream_);  // every stream may use it from now on
    if (status == cudaSuccess) return pointer;
    (void)cudaGetLastError();
  } catch (const std::exception&) {
    // A GPU that cannot even be chosen has no memory to give.
  }
  return nullptr;
}

void PoolAllocator::deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept {
  if (pointer == nullptr) return;
  {
    const std::lock_guard lock(mutex_);
    (void)cudaFreeAsync(pointer, stream_);
  }
  account_.deallocated(bytes, purpose);
}

MemoryShortage PoolAllocator::shortage(size_t bytes) const {
  return account_.shortage(bytes, "per_process_gpu_memory_fraction or limit_bytes (set_gpu_memory)");
}

void PoolAllocator::configure(const GpuMemoryOptions& options) {
  const double fraction = options.per_process_gpu_memory_fraction;
  if (!(fraction > 0.0 && fraction <= 1.0)) {
    fail<InvalidArgument>("per_process_gpu_memory_fraction: got {}, expected a number above 0, at most 1", fraction);
  }
  const UseGpu use(gpu_);
  size_t free_bytes = 0, total_bytes = 0;
  check_cuda(cudaMemGetInfo(&free_bytes, &total_bytes), "asking for the GPU's memory");
  uint64_t limit = options.limit_bytes;
  if (fraction < 1.0) limit = std::min(limit, static_cast<uint64_t>(fraction * static_cast<double>(total_bytes)));
  if (account_.bytes_in_use() > 0) {
    fail<InvalidArgument>("the memory of cuda:{}: {} bytes are in use; its limit is set before the first engine", gpu_,
                          account_.bytes_in_use());
  }
  const std::lock_guard lock(mutex_);
  check_cuda(cudaStreamSynchronize(stream_), "waiting for the GPU");
  make_pool(limit);
  check(account_.set_limit_bytes(limit), "the memory of cuda:{} came into use while its limit was set", gpu_);
  if (!options.allow_growth && limit != UINT64_MAX) {
    void* all = nullptr;
    check_cuda(cudaMallocFromPoolAsync(&all, limit, pool_, stream_), "taking the GPU's memory ahead");
    check_cuda(cudaFreeAsync(all, stream_), "taking the GPU's memory ahead");
    check_cuda(cudaStreamSynchronize(stream_), "waiting for the GPU");
  }
}

void* StagingAllocator::allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept {
  constexpr size_t kPage = 4096;
  if (bytes == 0 || !is_sound_request(bytes, alignment) || alignment > kPage) return nullptr;
  return account_.allocate(bytes, purpose, [bytes]() -> void* {
    void* pointer = nullptr;
    if (cudaHostAlloc(&pointer, bytes, cudaHostAllocPortable) == cudaSuccess) return pointer;
    (void)cudaGetLastError();
    return nullptr;
  });
}

void StagingAllocator::deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept {
  if (pointer == nullptr) return;
  (void)cudaFreeHost(pointer);
  account_.deallocated(bytes, purpose);
}

}  // namespace tfengine::cuda
