// SPDX-License-Identifier: Apache-2.0
// Where the largest or smallest of neighbouring numbers is.
#pragma once

#include <cstdint>

#include "kernels/num.h"

namespace tfengine::kernels {

// The first place of the largest (or smallest) of n numbers, n >= 1. Numbers that are not numbers are passed over, unless the
// first is one: then 0.
int64_t extreme_of_line(Num type, bool largest, const void* line, int64_t n);

}  // namespace tfengine::kernels
