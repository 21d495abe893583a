// SPDX-License-Identifier: Apache-2.0
// A step that runs on the host in a plan whose tensors lie on a device: what its device has no way to run.
#pragma once

#include "plan/plan.h"

namespace tfengine::plan {

// The host's tactic, which was made for `host`, as one of spec.device: its tensors are copied to staging memory, it runs there
// in order with the queue, and its results are copied back. Where the device stores a tensor in another type than the host's
// step takes, it is converted there. It must pack nothing. Staging memory is taken when the tactic is bound.
Tactic host_step(Tactic tactic, const StepSpec& spec, const StepSpec& host);

// The same for the kernel of a step with regions: they run on the host, which decides how often they do, in scratch memory of
// their own there (RegionPlans::host_scratch_bytes).
std::shared_ptr<const Kernel> host_regions(std::shared_ptr<const Kernel> kernel, const Plan& plan, const Step& step);

}  // namespace tfengine::plan
