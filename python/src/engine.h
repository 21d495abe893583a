// SPDX-License-Identifier: Apache-2.0
// What Python's functions that make engines share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "tfengine/engine.h"

namespace tfengine::python {

struct EngineHandle {
  Engine engine;
};

// `workspace`: "kept" or "running".
EngineOptions engine_options(int threads, std::optional<uint64_t> max_workspace_size_bytes, int maximum_cached_engines,
                             const std::filesystem::path& timing_cache, const std::string& backend,
                             std::optional<uint64_t> memory_limit_bytes, bool time_tactics,
                             std::optional<uint64_t> maximum_cached_bytes, const std::string& workspace,
                             std::shared_ptr<SharedWorkspace> shared_workspace,
                             std::shared_ptr<SharedWeights> shared_weights, const std::string& device);

}  // namespace tfengine::python
