// SPDX-License-Identifier: Apache-2.0
// What each of the measures by which an INT8 graph was made brings: how much nearer its results are to the float ones than
// without it, all others staying.
#pragma once

#include <string>
#include <vector>

#include "compiler/judge.h"
#include "compiler/ladder_report.h"
#include "compiler/measures.h"

namespace tfengine::detail {

// Of the defaults (scales per channel, corrected biases, unsigned grids, float gates) as far as they are on and change the
// graph, and of all measures that were taken.
std::vector<Gain> measure_gains(Int8Maker& maker, const Judge& judge, const Int8Maker::Made& made);

}  // namespace tfengine::detail
