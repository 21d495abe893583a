// SPDX-License-Identifier: Apache-2.0
// Memory for the outputs of a plan, where the caller gave none.
#pragma once

#include <vector>

#include "plan/plan.h"
#include "tfengine/data.h"

namespace tfengine::detail {

struct OutputBuffers {
  std::vector<NamedTensor> tensors;  // in the order of the graph's outputs
  std::vector<void*> addresses;      // of their bytes
};

// `samples` other than 0: the first dimension in place of the plan's.
OutputBuffers make_outputs(const plan::Plan& plan, int64_t samples = 0);

}  // namespace tfengine::detail
