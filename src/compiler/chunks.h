// SPDX-License-Identifier: Apache-2.0
// A batch run in chunks, one after another, through a plan for so many samples: less memory for activations, some more time.
#pragma once

#include <span>
#include <vector>

#include "compiler/inputs.h"
#include "runtime/engine_core.h"

namespace tfengine::detail {

// The shapes with this first dimension.
std::vector<Shape> with_samples(std::vector<Shape> shapes, int64_t samples);
// What is planned for a run with these shapes: themselves, unless they have more samples than `chunk` (0: no chunks).
std::vector<Shape> planned_shapes(const std::vector<Shape>& shapes, int64_t chunk);
// How many runs of the entry's plan these shapes take.
int64_t chunks_of(const runtime::ShapeEntry& entry, const std::vector<Shape>& shapes);
// Runs inputs through the entry's plan, which may be for fewer samples: then in chunks, of which the last overlaps the one before
// where samples do not divide, so that no other plan is needed. InvalidModel when the plan's inputs or outputs are not by
// sample.
void run_entry(runtime::EngineCore& core, runtime::ShapeEntry& entry, const BoundInputs& inputs,
               std::span<void* const> outputs);

}  // namespace tfengine::detail
