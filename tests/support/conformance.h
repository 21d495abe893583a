// SPDX-License-Identifier: Apache-2.0
// Any backend against the oracle: every tactic of every node, each fed with the oracle's own tensors, so that a
// difference is that step's. Tactics whose result may lie at the start of an operand run so as well.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/backend.h"

namespace tfengine::testing {

struct Conformance {
  int tactics = 0;                    // that ran
  std::vector<std::string> refusals;  // "Conv2D 'c': reason"
  std::vector<std::string> failures;  // "Conv2D 'c', tactic 'jit': ..."
};

// INT8 results: 1 step. Floating point: relative to the result's range, 1e-4, 2e-3 where a tensor is F16, 2e-2 where one is
// BF16; 5e-3 on a device.
// Steps whose name is in `only` (empty: all). Without `timed`, the tactics that an untimed plan chooses from.
Conformance run_conformance(const plan::Backend& backend, ir::Graph graph, const std::vector<Tensor>& inputs,
                            int threads = 1, const std::string& only = "", bool timed = true);

}  // namespace tfengine::testing
