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

OutputBuffers make_outputs(const plan::Plan& plan);

}  // namespace tfengine::detail
