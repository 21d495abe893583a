// SPDX-License-Identifier: Apache-2.0
// NVIDIA GPUs. A build without CUDA links absent.cpp, which says so; every other file of this folder is compiled with
// TFENGINE_CUDA alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/backend.h"
#include "tfengine/gpu.h"

namespace tfengine::cuda {

// Why the backend cannot be used; empty when it can.
std::string why_absent();
// What floats between steps are kept in; products of halves are summed in single precision.
enum class FloatStorage : uint8_t { Single, Half };

// The backend of the GPU `index`; the same object every time. InvalidArgument naming the GPUs when there is no such one, or
// saying which library is missing or too old.
const plan::Backend& cuda_backend(int index, FloatStorage floats = FloatStorage::Single);
// The GPUs that the driver shows; none without one.
std::vector<GpuInfo> list_gpus();
// The process's memory on a GPU. InvalidArgument as cuda_backend().
void set_memory_limit(int index, const GpuMemoryOptions& options);
AllocatorStats memory_stats(int index);
uint64_t memory_limit_bytes(int index);
// As in tfengine/gpu.h.
void wait(int index, Stream stream);
void upload(int index, void* device, const void* host, size_t bytes, Stream stream);
void download(int index, void* host, const void* device, size_t bytes, Stream stream);

}  // namespace tfengine::cuda
