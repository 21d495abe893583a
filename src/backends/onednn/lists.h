// SPDX-License-Identifier: Apache-2.0
// Lists of tensors (ops/tensor_list.h). The rows that loops take out of them are GatherV2 (indices.h).
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics list_reserve_tactics(const StepSpec& spec);
Tactics list_set_item_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
