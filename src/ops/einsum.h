// SPDX-License-Identifier: Apache-2.0
// An Einsum's equation with its ellipses written out, shared by inference, evaluation and the rewrite to matrix products.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ops/op.h"

namespace tfengine::ops {

struct EinsumEquation {
  std::vector<std::string> operands;  // a letter per axis; '0', '1' ... for axes of an ellipsis, the last one '0'
  std::string result;
  std::string labels;  // the result's, then the summed ones
};

// nullopt when an ellipsis stands for an unknown number of axes; InvalidModel naming the node when it is malformed.
std::optional<EinsumEquation> einsum_equation(const InferContext& context);

}  // namespace tfengine::ops
