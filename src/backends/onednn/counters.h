// SPDX-License-Identifier: Apache-2.0
// Arithmetic of loop counters: ops on a handful of integers and truth values, which run once per iteration and must cost
// next to nothing.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

// Nullopt for steps that are none.
std::optional<Tactic> counter_tactic(const StepSpec& spec);

}  // namespace tfengine::onednn
