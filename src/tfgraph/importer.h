// SPDX-License-Identifier: Apache-2.0
// One graph in the making: the main graph of a job (import.cpp), or a function that a loop or branch runs, as its region
// (import_regions.cpp).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tfgraph/flatten.h"
#include "tfgraph/import.h"
#include "tfgraph/variables.h"

namespace tfengine::tfgraph {

bool is_loop_op(std::string_view op);
bool is_branch_op(std::string_view op);

// What the main graph and all regions have in common.
struct Shared {
  std::unordered_set<std::string> names;
  std::unordered_set<std::string> unknown_ops;
  std::unordered_map<int, Tensor> variables;  // by flat node of the main graph
  size_t nodes = 0;                           // of functions that regions are made of
};

class Importer {
 public:
  Importer(const ImportJob& job, ConstantBudget& budget, ImportReport& report)
      : job_(job), budget_(budget), report_(report), flat_(job.graph), root_(this), shared_(&own_shared_) {}

  // An argument of a function that a region is made of: a tensor, or what has none in the IR.
  struct Argument {
    enum class Kind : uint8_t { Value, Variable, Handle };
    Kind kind = Kind::Value;
    int variable = -1;  // flat node of the main graph
    bool grows = false;  // of a handle
  };
  // `prefix` goes before the names of the function's nodes.
  Importer(Importer& caller, const FunctionDef& function, std::vector<Argument> arguments, std::string prefix);

  // Whether the function returns its argument of the same index.
  bool passes_on(size_t index);

  // The function as a graph of these arguments and outputs.
  ir::Graph run_region(std::string name, const std::vector<size_t>& inputs, const std::vector<size_t>& outputs);
  ir::Graph run();

 private:
  static uint64_t key(Ref ref) { return static_cast<uint64_t>(ref.node) << 32 | static_cast<uint32_t>(ref.output); }

  Ref find(const Endpoint& endpoint, const char* what) const;
  void find_inputs();

  // How many outputs of each node are used, and which inputs of the graph.
  void count_uses(const std::vector<int>& order, const std::vector<Ref>& outputs);

  // Values' names are unique; TensorFlow's own where possible.
  std::string unique(std::string name);
  void add_inputs();
  void add_output(const Endpoint& output, Ref ref);
  std::string full_name(int id) const { return prefix_ + flat_.full_name(id); }

  // What a reference is: most are tensors.
  Argument binding(Ref ref);
  ir::ValueId value_of(Ref ref, std::string_view user);

  // An input that cuts the graph here stays.
  void define(int id, ir::ValueId value) { values_.emplace(key({id, 0}), value); }

  void add(int id);
  bool add_list_op(int id, const NodeDef& def);
  const FunctionDef& function_of(const NodeDef& def, std::string_view name) const;
  std::vector<Argument> arguments_of(const std::vector<Ref>& inputs, size_t first);

  // TensorFlow's loop hands everything through; the IR's has states, which change, before what stays.
  void add_loop(int id, const NodeDef& def);
  void add_branch(int id, const NodeDef& def);
  void add_constant(int id, const NodeDef& def);

  // `variable`: flat node of the main graph.
  ir::ValueId variable_value(int variable);
  void add_read(int id, const NodeDef& def);

  // Older ops that differ from newer ones in their inputs alone.
  std::string modernize(int id, const NodeDef& def, std::vector<ir::ValueId>& inputs, const std::string& name);
  void report_unknown(int id, const std::string& op);
  std::vector<ir::ValueId> input_values(int id, const NodeDef& def);
  bool is_matmul(const std::vector<ir::ValueId>& inputs) const;
  void add_node(int id, const NodeDef& def);
  void report_removed();
  const ImportJob& job_;
  ConstantBudget& budget_;
  ImportReport& report_;
  Flattener flat_;
  Importer* root_;
  Shared own_shared_;
  Shared* shared_;
  Importer* caller_ = nullptr;
  const FunctionDef* function_ = nullptr;  // of a region
  std::vector<Argument> arguments_;
  std::string prefix_;
  std::optional<Variables> variables_;  // of the main graph
  ir::Graph graph_;
  std::vector<Ref> input_refs_;
  std::unordered_set<uint64_t> cuts_used_;
  std::unordered_map<int, int> outputs_used_;
  std::unordered_map<uint64_t, ir::ValueId> values_;
  std::unordered_map<int, ir::ValueId> variable_values_;
};

}  // namespace tfengine::tfgraph
