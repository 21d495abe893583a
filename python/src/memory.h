// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>

#include <vector>

#include "tfengine/engine.h"

namespace tfengine::python {

// What an allocator has given, as process_memory() says it.
nanobind::dict stats_dict(const AllocatorStats& stats);

// What Engine.memory() gives. Called with the GIL, which it releases while a plan is made.
nanobind::dict memory_of(const Engine& engine, const std::vector<std::vector<int64_t>>& input_shapes);

}  // namespace tfengine::python
