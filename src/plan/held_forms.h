// SPDX-License-Identifier: Apache-2.0
// Weights that are held already, in the form that some tactic of a step reads, for the same step of other shapes.
#pragma once

#include "plan/backend.h"

namespace tfengine::plan {

// Another form for another shape is kept beside the first one, so it has to be faster by so much, which also is more than the
// noise of timing.
inline constexpr double kHeldIsWorth = 1.15;

// Bytes of the largest of the step's constants that is held in some form; 0: none that is large enough to matter (1 MiB).
size_t held_constant_bytes(const StepSpec& spec, const PackedStore& packed);
// Whether the tactic would pack hardly anything beside what is held. False also where there is no memory to try it.
bool reads_held_form(const Tactic& tactic, const PackedStore& packed, size_t held_bytes);

}  // namespace tfengine::plan
