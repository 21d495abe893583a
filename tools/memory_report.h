// SPDX-License-Identifier: Apache-2.0
// An engine's memory as text and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tfengine/engine.h"

namespace tfengine::tools {

void print_memory(const MemoryDetails& details);
// The numbers of MemoryReport, and under "memory" where they go.
nlohmann::json memory_json(const MemoryDetails& details);
// The picture of the arena, as an SVG file. InvalidArgument when it cannot be written.
void write_timeline(const std::string& path, const MemoryDetails& details, const std::string& title);

}  // namespace tfengine::tools
