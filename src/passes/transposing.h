// SPDX-License-Identifier: Apache-2.0
// How ops change when their inputs are taken before a Transpose instead of behind it: the knowledge that
// eliminate_transposes moves transposes with.
#pragma once

#include <vector>

#include "passes/rewrite.h"

namespace tfengine::passes {

// As Transpose's: axis i of the result is axis permutation[i] of the input.
using Permutation = std::vector<int64_t>;

std::optional<Permutation> permutation_of(const Graph& graph, const Node& transpose);
Permutation inverse(const Permutation& permutation);
bool is_identity(const Permutation& permutation);
Shape permuted(const Shape& shape, const Permutation& permutation);

// Changes axes, paddings and constants of a node to those for inputs without their common Transpose. Returns the Transpose
// that its output then needs, or nothing, and leaves the node alone, where the op cares for the order of axes.
std::optional<Permutation> adapt_to_transposed(Graph& graph, NodeId id, const Permutation& permutation);

// Transpose -> Reshape to [n, features] -> MatMul: the rows of the weights are permuted instead.
int permute_flattened_weights(Graph& graph);

}  // namespace tfengine::passes
