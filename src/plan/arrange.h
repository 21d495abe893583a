// SPDX-License-Identifier: Apache-2.0
// The last part of a plan: which of the steps' tactics, and which order of steps, need little memory, and where all lies then.
#pragma once

#include <map>

#include "plan/storage.h"

namespace tfengine::plan {

struct Arrangement {
  Placement placement;
  uint64_t own_order_arena_bytes = 0;
  uint64_t any_order_bound_bytes = 0;  // no order needs less; 0: not looked for
};

struct ArrangeOptions {
  Sharing sharing = Sharing::Operands;
  bool reorder = true;
};

// `leaner`: by node, a slower tactic whose result lies over its operand. It is taken where the arena is fullest, as long as the
// arena shrinks by a larger part than the whole plan gets slower. The steps stay in the graph's own order, which neighbours in
// memory and in time are used to, unless another one saves more than a little.
Arrangement arrange(const Storage& storage, std::vector<Step> steps, std::map<ir::NodeId, Step> leaner,
                    const std::vector<TensorDesc>& descs, const ArrangeOptions& options);

}  // namespace tfengine::plan
