// SPDX-License-Identifier: Apache-2.0
// Times one tactic of one step on this machine, on scratch tensors.
#pragma once

#include "plan/backend.h"

namespace tfengine::plan {

// Microseconds of one run: the minimum over repetitions, which end early once a run is more than twice `best_us`.
// The scratch memory is the system's and freed before returning.
double measure_tactic(const StepSpec& spec, const Tactic& tactic, PackedStore& packed, double best_us);

}  // namespace tfengine::plan
