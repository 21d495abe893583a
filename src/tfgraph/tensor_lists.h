// SPDX-License-Identifier: Apache-2.0
// TensorFlow's lists of tensors (TensorList ops) and its older tensor arrays, which are tensors in the IR: see
// ops/tensor_list.h. Lists and tensors of their elements are the same value; a tensor array is what it calls its flow.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tfgraph/flatten.h"

namespace tfengine::tfgraph {

// A handle says nothing that its flow does not say: it becomes no value.
bool makes_handle(const NodeDef& def, int output);
// Of a node that makes one: writing behind the array's end makes it longer.
bool handle_grows(const NodeDef& def, ConstantBudget& budget);

struct ListContext {
  ir::Graph& graph;
  const Flattener& flat;
  int id;                                          // the flat node
  std::string name;                                // of the node to be
  std::function<ir::ValueId(size_t input)> value;  // of an input
  std::function<bool(size_t input)> grows;  // the handle at an input is one of an array that grows
  std::function<std::string(std::string)> unique;
  ConstantBudget& budget;
};

// The node's outputs by index (kNone for a handle), or nullopt for ops that are none of these. InvalidModel naming the node
// where it asks for what lists cannot do here.
std::optional<std::vector<ir::ValueId>> lower_list_op(const ListContext& context);

}  // namespace tfengine::tfgraph
