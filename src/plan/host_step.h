// SPDX-License-Identifier: Apache-2.0
// A step that runs on the host in a plan whose tensors lie on a device: what its device has no way to run.
#pragma once

#include "plan/backend.h"

namespace tfengine::plan {

// The host's tactic as one of spec.device: its tensors are copied to staging memory, it runs there in order with the queue,
// and its results are copied back. It must pack nothing. Staging memory is taken when the tactic is bound.
Tactic host_step(Tactic tactic, const StepSpec& spec);

}  // namespace tfengine::plan
