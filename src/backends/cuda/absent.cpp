// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/backend.h"
#include "base/check.h"

namespace tfengine::cuda {

std::string why_absent() { return "tfengine was built without CUDA"; }

const plan::Backend& cuda_backend(int, FloatStorage) { fail<InvalidArgument>("device 'cuda': {}", why_absent()); }
std::vector<GpuInfo> list_gpus() { return {}; }
void set_memory_limit(int, const GpuMemoryOptions&) { fail<InvalidArgument>("device 'cuda': {}", why_absent()); }
AllocatorStats memory_stats(int) { fail<InvalidArgument>("device 'cuda': {}", why_absent()); }
uint64_t memory_limit_bytes(int) { fail<InvalidArgument>("device 'cuda': {}", why_absent()); }

void wait(int, Stream) { fail<InvalidArgument>("device 'cuda': {}", why_absent()); }
void upload(int, void*, const void*, size_t, Stream) { fail<InvalidArgument>("device 'cuda': {}", why_absent()); }
void download(int, void*, const void*, size_t, Stream) { fail<InvalidArgument>("device 'cuda': {}", why_absent()); }

}  // namespace tfengine::cuda
