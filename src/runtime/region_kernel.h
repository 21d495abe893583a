// SPDX-License-Identifier: Apache-2.0
// Runs the regions of While, If and Case: their plans, bound once to a part of the arena around them. Loops keep their
// states where the node's outputs are, from the first iteration on.
#pragma once

#include <memory>
#include <vector>

#include "plan/plan.h"
#include "runtime/context.h"

namespace tfengine::runtime {

// `selector`: of input 0, which chooses the branch of an If or Case.
std::shared_ptr<const plan::Kernel> region_kernel(const ir::Node& node, const plan::TensorDesc& selector,
                                                  const plan::RegionPlans& layout,
                                                  std::vector<std::shared_ptr<const PreparedPlan>> regions);

}  // namespace tfengine::runtime
