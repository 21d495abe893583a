// SPDX-License-Identifier: Apache-2.0
// What can be proved about a graph's values without running it: which are never negative, and which are bounded by the
// op that makes them; and small questions about nodes that the INT8 rules of this folder ask.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ops/op.h"

namespace tfengine::quantize {

// Int8Rule of the node's op; Int8Kind::Float for an op that is not known.
const ops::Int8Rule& rule_of(const ir::Node& node);
// The indices of the float inputs that carry activations, constants among them.
std::vector<int> data_inputs(const ir::Graph& graph, const ir::Node& node);
// Elementwise functions that magnify the error of a small argument, or need more digits than INT8 has.
bool is_steep(const ir::Node& node);
// An activation in float: neither a constant nor of another type.
bool is_float_activation(const ir::Value& value);
// A range that the user gave.
bool is_custom(const std::optional<ir::Range>& range);
// Passes whose output holds every element of the input (and zeros at most): ranges go through them backwards as well.
bool keeps_all_elements(const ir::Node& node);

// By ValueId: no negative value is possible, given that the graph inputs named in `inputs` have none.
std::vector<bool> find_non_negative(const ir::Graph& graph, const std::set<std::string>& inputs = {});
// By ValueId: |x| is at most this, by what the producing node is.
std::vector<std::optional<float>> find_bounds(const ir::Graph& graph);

}  // namespace tfengine::quantize
