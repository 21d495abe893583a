// SPDX-License-Identifier: Apache-2.0
// The backends of this build, by name.
#pragma once

#include <string>
#include <vector>

#include "plan/backend.h"

namespace tfengine {

// The order in which a plan asks for tactics. "" and "onednn": the CPU backend, the reference backend for what it leaves;
// "reference": the reference backend alone. InvalidArgument for a name that is unknown or not built, saying why.
std::vector<const plan::Backend*> backends_by_name(const std::string& name);

// A plan is made and its weights are packed: the libraries' code that only this takes leaves the process's memory.
void drop_planning_code() noexcept;

}  // namespace tfengine
