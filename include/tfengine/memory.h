// SPDX-License-Identifier: Apache-2.0
// How much memory all engines of the process may use together: a fraction of what the process may have, or bytes. An
// engine's own limit (EngineOptions::memory_limit_bytes) is inside of it; allocators that a host passes are not.
#pragma once

#include <cstdint>
#include <string>

#include "tfengine/allocator.h"
#include "tfengine/export.h"

namespace tfengine {

// Both limits may be given: the smaller one holds.
struct MemoryLimits {
  // TensorFlow's per_process_gpu_memory_fraction, of the device that engines run on: of available_memory() on the CPU.
  // Above 0 and at most 1; 0: no such limit.
  double memory_fraction = 0.0;
  uint64_t memory_limit_bytes = UINT64_MAX;  // UINT64_MAX: no such limit
  // As in TensorFlow: memory is taken as it is needed. False: all of it is taken at once, and engines cannot run short of
  // what others took meanwhile; that needs one of the two limits.
  bool allow_growth = true;
};

// The memory that this process may have, and what bounds it.
struct AvailableMemory {
  uint64_t bytes = 0;       // the smallest of the machine's memory, the control groups' limits and RLIMIT_AS
  uint64_t free_bytes = 0;  // of these, what nothing uses now
  std::string source;       // "machine", "cgroup", "RLIMIT_AS"
};
TFE_API AvailableMemory available_memory();

// Limits of all engines that use default_allocator(). May be called again: InvalidArgument for a fraction outside (0, 1] or
// for allow_growth without a limit or while engines use memory; OutOfMemory, and the old limits stay, when more is in use
// already, or when what is to be taken at once is not there.
// The environment gives them before the first call: TFENGINE_MEMORY_FRACTION, TFENGINE_MEMORY_LIMIT_BYTES and
// TFENGINE_ALLOW_GROWTH (0 or 1).
TFE_API void set_memory_limits(const MemoryLimits& limits);

// What default_allocator() has given, and the limit that holds (UINT64_MAX: none).
struct ProcessMemory {
  MemoryLimits limits;
  uint64_t limit_bytes = UINT64_MAX;
  AllocatorStats stats;
};
TFE_API ProcessMemory process_memory();
// Peaks count from now on.
TFE_API void reset_process_memory_peaks();

}  // namespace tfengine
