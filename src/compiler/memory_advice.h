// SPDX-License-Identifier: Apache-2.0
// What to set, and to which value, for more speed or less memory: of the numbers of one engine.
#pragma once

#include "runtime/engine_core.h"
#include "tfengine/memory_report.h"

namespace tfengine::detail {

std::vector<MemoryAdvice> memory_advice(const MemoryDetails& details, const runtime::EngineConfig& config);

}  // namespace tfengine::detail
