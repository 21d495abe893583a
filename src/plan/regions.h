// SPDX-License-Identifier: Apache-2.0
// How the plans of a node's regions share memory with each other and with the states of a loop.
#pragma once

#include "plan/plan.h"

namespace tfengine::plan {

// Who runs steps with regions: the runtime itself.
inline constexpr const char* kRegionBackend = "control flow";

// Fills in the tactic and the regions of the step of `node`, a While, If or Case.
void lay_out_regions(const ir::Node& node, std::vector<Plan> plans, Step& step);
// The laid out step in a device's plan: what it needs of memory is the host's (host_step.h).
void move_to_host(Step& step);

// Whether a body may write its output `state` over its input of that index: all who read the input have done so by then.
bool may_overwrite_state(const Plan& body, int state);

}  // namespace tfengine::plan
