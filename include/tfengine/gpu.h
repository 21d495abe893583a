// SPDX-License-Identifier: Apache-2.0
// NVIDIA GPUs: which there are, and how much of their memory tfengine may use. EngineOptions::device = "cuda" puts an engine
// there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tfengine/allocator.h"
#include "tfengine/export.h"

namespace tfengine {

struct GpuInfo {
  int index = 0;
  std::string name;                // as the driver has it
  std::string compute_capability;  // "9.0"
  uint64_t total_memory_bytes = 0;
};

struct GpuMemoryOptions {
  // Of the GPU's total memory, for weights, activations, workspaces, and the tensors of the host on their way in and out;
  // more is OutOfMemory. In (0, 1]. What the driver and its libraries take for themselves (some hundred MB a process) is not
  // tfengine's to bound.
  double per_process_gpu_memory_fraction = 1.0;
  // In bytes, where it is less than the fraction; UINT64_MAX: the fraction counts.
  uint64_t limit_bytes = UINT64_MAX;
  // Off: all of it is taken from the GPU now.
  bool allow_growth = true;
};

// Why there is no GPU to use in this build or on this machine; empty: there is one.
TFE_API std::string gpu_absence();
// Of EngineOptions::device: of "cuda" or "cuda:1"; -1 of the host. InvalidArgument for anything else.
TFE_API int gpu_of_device(const std::string& device);
// Those that the driver shows; none without a driver.
TFE_API std::vector<GpuInfo> gpus();
// For all engines of this process on this GPU. InvalidArgument when the GPU does not exist, the fraction is out of range, or
// more is in use already.
TFE_API void set_gpu_memory(int index, const GpuMemoryOptions& options);
// What tfengine uses of the GPU's memory now, and the limit on it.
TFE_API AllocatorStats gpu_memory_stats(int index);
TFE_API uint64_t gpu_memory_limit_bytes(int index);

// That memory, for tensors of a caller, under the same limit. InvalidArgument when the GPU does not exist.
TFE_API Allocator& gpu_allocator(int index);
// What is in the stream has run; null: CUDA's default stream.
TFE_API void gpu_wait(int index, Stream stream);
// Between the host's memory and the GPU's, in order with the stream. They wait.
TFE_API void gpu_upload(int index, void* device, const void* host, size_t bytes, Stream stream);
TFE_API void gpu_download(int index, void* host, const void* device, size_t bytes, Stream stream);

}  // namespace tfengine
