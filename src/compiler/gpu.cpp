// SPDX-License-Identifier: Apache-2.0
#include "tfengine/gpu.h"

#include "backends/cuda/backend.h"

namespace tfengine {

std::string gpu_absence() { return cuda::why_absent(); }
std::vector<GpuInfo> gpus() { return cuda::list_gpus(); }
void set_gpu_memory(int index, const GpuMemoryOptions& options) { cuda::set_memory_limit(index, options); }
AllocatorStats gpu_memory_stats(int index) { return cuda::memory_stats(index); }
uint64_t gpu_memory_limit_bytes(int index) { return cuda::memory_limit_bytes(index); }
Allocator& gpu_allocator(int index) { return cuda::cuda_backend(index).device()->memory(); }
void gpu_wait(int index, Stream stream) { cuda::wait(index, stream); }
void gpu_upload(int index, void* device, const void* host, size_t bytes, Stream stream) {
  cuda::upload(index, device, host, bytes, stream);
}
void gpu_download(int index, void* host, const void* device, size_t bytes, Stream stream) {
  cuda::download(index, host, device, bytes, stream);
}

}  // namespace tfengine
