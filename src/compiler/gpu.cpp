// SPDX-License-Identifier: Apache-2.0
#include "tfengine/gpu.h"

#include "backends/cuda/backend.h"

namespace tfengine {

std::string gpu_absence() { return cuda::why_absent(); }
std::vector<GpuInfo> gpus() { return cuda::list_gpus(); }
void set_gpu_memory(int index, const GpuMemoryOptions& options) { cuda::set_memory_limit(index, options); }
AllocatorStats gpu_memory_stats(int index) { return cuda::memory_stats(index); }
uint64_t gpu_memory_limit_bytes(int index) { return cuda::memory_limit_bytes(index); }

}  // namespace tfengine
