// SPDX-License-Identifier: Apache-2.0
// Tests written in text IR: a case is the body of a graph.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "ir/graph.h"

namespace tfengine::testing {

// `body` computes %y and states %e, the tensor that it expects %y to be (within `tolerance` of %e's range).
::testing::AssertionResult computes_expected(const std::string& body, double tolerance = 1e-6);

// "f32[?,8]": what inference finds for %y in a graph with `inputs` ("%x: f32[?,8]") and `body`.
std::string inferred(const std::string& inputs, const std::string& body);

// The message of the tfengine::Error that inference throws; "" if it throws none.
std::string inference_error(const std::string& inputs, const std::string& body);

}  // namespace tfengine::testing
