// SPDX-License-Identifier: Apache-2.0
// Which stored value a variable node has: the model's own restore ops say it, as pairs of a checkpoint key and the
// variable that it is assigned to; the object graph and the variable's name are the fallbacks.
#pragma once

#include <string>
#include <unordered_map>

#include "tfgraph/bundle.h"
#include "tfgraph/flatten.h"

namespace tfengine::tfgraph {

// Variable ops themselves: their output is a handle or a reference.
bool is_variable_op(std::string_view op);

class Variables {
 public:
  // `bundle` is null for models without stored variables. `restore_op`: saver_def's name, or empty.
  Variables(Flattener& graph, Bundle* bundle, std::string_view restore_op);
  // InvalidModel naming the variable when there is no value for it.
  Tensor load(int variable_node, ConstantBudget& budget);
  std::string name(int variable_node) const;

 private:
  void read_assignments(std::string_view restore_op);
  void read_assignment(int assign_node);
  void read_object_graph();
  std::string key(int variable_node);

  Flattener& graph_;
  Bundle* bundle_;
  std::unordered_map<int, std::string> restored_;  // by flat node of the variable
  bool object_graph_read_ = false;
  std::unordered_map<std::string, std::string> object_keys_;  // by the variable's full name
};

}  // namespace tfengine::tfgraph
