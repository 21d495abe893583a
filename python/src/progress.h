// SPDX-License-Identifier: Apache-2.0
// Progress callbacks from work that runs without the GIL.
#pragma once

#include <nanobind/nanobind.h>

#include "tfengine/calibrate.h"

namespace tfengine::python {

// Calls `callback(what, done, total)`, and lets Ctrl-C through. Empty for None.
Progress progress_from(nanobind::object callback);

}  // namespace tfengine::python
