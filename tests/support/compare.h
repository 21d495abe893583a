// SPDX-License-Identifier: Apache-2.0
// Comparing tensors with a tolerance relative to the expected tensor's range: an element near zero in a tensor of
// hundreds carries the rounding of hundreds.
#pragma once

#include <gtest/gtest.h>

#include "tfengine/tensor.h"

namespace tfengine::testing {

// Floating point: |actual - expected| <= tolerance * max|expected|, NaN and infinities equal. Others: equal.
::testing::AssertionResult tensors_near(const Tensor& expected, const Tensor& actual, double tolerance);
// Integers: at most `steps` apart.
::testing::AssertionResult within_steps(const Tensor& expected, const Tensor& actual, int64_t steps);

}  // namespace tfengine::testing
