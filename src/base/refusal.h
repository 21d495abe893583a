// SPDX-License-Identifier: Apache-2.0
// "No" as a value: why a node, tactic or precision is not taken, in a sentence that a user can act on.
#pragma once

#include <string>

namespace tfengine {

struct Refusal {
  std::string reason;
};

}  // namespace tfengine
