// SPDX-License-Identifier: Apache-2.0
// Comparisons, logic, choices, casts and the arithmetic of integers: what masks and indices are made of.
#pragma once

#include <string>

#include "backends/cuda/support.h"

namespace tfengine::cuda {

// Whether the op is one of them whatever its tensors are.
bool is_number_op(const std::string& op);
// Those, and Add, Sub, Mul, Maximum, Minimum and Neg of integers, and casts from or to integers and bool.
Tactics number_tactics(const StepSpec& spec);
// Fill: one number, everywhere.
Tactics fill_tactics(const StepSpec& spec);
// Of tensors that eltwise.h and simple.h take no part of.
bool has_other_numbers(const StepSpec& spec);

}  // namespace tfengine::cuda
