// SPDX-License-Identifier: Apache-2.0
// The backends of this build, by name.
#pragma once

#include <string>
#include <vector>

#include "plan/backend.h"
#include "tfengine/gpu.h"

namespace tfengine {

// The order in which a plan asks for tactics. "" and "onednn": the CPU backend, the reference backend for what it leaves;
// "reference": the reference backend alone; "cuda": the first GPU, as backends_for("cuda", ""). InvalidArgument for a name
// that is unknown or not built, saying why.
std::vector<const plan::Backend*> backends_by_name(const std::string& name);
// The same for a device: "" or "cpu"; "cuda" or "cuda:1", where `name` is "" or "cuda" and the reference backend runs on the
// host what the GPU leaves. `half`: a GPU keeps and multiplies floats in half precision. InvalidArgument for a device that is
// unknown or not there.
std::vector<const plan::Backend*> backends_for(const std::string& device, const std::string& name, bool half = false);
// A plan is made and its weights are packed: the libraries' code that only this takes leaves the process's memory.
void drop_planning_code() noexcept;

}  // namespace tfengine
