// SPDX-License-Identifier: Apache-2.0
// Windowed steps whose result is smaller than their source, run band by band of rows, so that the result may lie over the
// source: a band's rows lie in front of what this band and later ones read. With a stride of 2 a row of results takes half of the
// room of a row of the source, so that each band has four times the rows of the one before: a few bands are all. Only the
// first one, of some rows, waits in the workspace until the second is done.
#pragma once

#include <functional>

#include "backends/onednn/support.h"
#include "ops/geometry.h"

namespace tfengine::onednn {

// Appends to the tactics.
using ListTactics = std::function<void(const StepSpec&, std::vector<Tactic>&)>;

// A tactic "NAME:bands" for each one that `list` gives for the bands of the step; none where the step does not fit over its
// source, or its source is too small for that to matter. `list` is asked for steps with explicit paddings.
void add_banded(const StepSpec& spec, const ops::Window& window, const ListTactics& list, std::vector<Tactic>& tactics);

}  // namespace tfengine::onednn
