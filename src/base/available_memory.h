// SPDX-License-Identifier: Apache-2.0
// What bounds a process's memory, read from the system's files.
#pragma once

#include <filesystem>

#include "tfengine/memory.h"

namespace tfengine {

// With the files under `root` in place of the system's, for tests; `address_space_bytes`: RLIMIT_AS, UINT64_MAX for none.
AvailableMemory available_memory_under(const std::filesystem::path& root, uint64_t address_space_bytes);

}  // namespace tfengine
