// SPDX-License-Identifier: Apache-2.0
// An engine with the allocator that it needs to outlive it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "tfengine/engine.h"

namespace tfengine::python {

struct EngineHandle {
  std::shared_ptr<SystemAllocator> allocator;  // null: the process's own
  Engine engine;
};

// `allocator` receives one with the limit, if there is a limit.
EngineOptions engine_options(int threads, uint64_t max_workspace_size_bytes, int maximum_cached_engines,
                             const std::filesystem::path& timing_cache, const std::string& backend,
                             std::optional<uint64_t> memory_limit_bytes, bool time_tactics,
                             std::shared_ptr<SystemAllocator>& allocator);

}  // namespace tfengine::python
