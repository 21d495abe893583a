// SPDX-License-Identifier: Apache-2.0
// The accuracy contract: measures are added one by one as long as the target is missed, kept where they bring the results
// nearer to the float ones; then as few and as cheap layers as possible return to float.
#pragma once

#include "compiler/judge.h"
#include "compiler/ladder_report.h"
#include "compiler/measures.h"

namespace tfengine::detail {

// Climbs until the target holds; or, without a `contract`, takes every measure that brings the results nearer to the float
// ones, and leaves no layer in float. `report` says what was tried.
Int8Maker::Made climb(Int8Maker& maker, const Judge& judge, Measures measures, bool contract, LadderReport& report);

}  // namespace tfengine::detail
