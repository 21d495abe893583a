// SPDX-License-Identifier: Apache-2.0
// Resolves a GraphDef's references: functions are inlined where they are called, control inputs are dropped, nodes that
// only pass a tensor on are looked through, and what the outputs need comes out in an order of producers before users.
// It knows names and edges, nothing of tensors.
#pragma once

#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "tfgraph/graph_def.h"

namespace tfengine::tfgraph {

// Output `output` of flat node `node`.
struct Ref {
  int node = -1;
  int output = 0;
  bool operator==(const Ref&) const = default;
};

struct FlatNode {
  const NodeDef* def = nullptr;
  int scope = 0;
  int body = -1;            // scope of the inlined function, once called
  std::vector<Ref> inputs;  // filled for nodes in the order
};

class Flattener {
 public:
  // Which calls stay calls although their function is there, and whether Identity and the like stay nodes.
  struct Choices {
    std::function<bool(const NodeDef& call)> keeps_call;  // null: none
    bool keep_identities = false;
  };
  // `graph` outlives this.
  explicit Flattener(const GraphDef& graph) : Flattener(graph, Choices()) {}
  Flattener(const GraphDef& graph, Choices choices);
  // Flattens the body of a function of `graph` instead of its main graph. Arguments are nodes of op _Arg, in order the first
  // ones; what the function returns is found by returned().
  Flattener(const GraphDef& graph, const FunctionDef& function);

  // A tensor of the main graph by its name as users write it ("node", "node:1"); node -1 when there is none.
  Ref find(std::string_view tensor) const;
  // The producer of what the function returns as output `index`.
  Ref returned(size_t index);
  // The producer behind Identity and calls. InvalidModel on unknown names, recursion, and cycles of aliases.
  Ref resolve(Ref ref);
  // References in `cuts` have no inputs of their own: the graph begins there.
  void cut(Ref ref) { cuts_.insert(key(ref)); }
  bool is_cut(Ref ref) const { return cuts_.count(key(ref)) > 0; }
  // Nodes that `outputs` (resolved) need, producers first, their inputs filled. InvalidModel naming a node of a cycle.
  std::vector<int> order(const std::vector<Ref>& outputs);

  // Inlines the function that node `call` calls; all nodes of its body and of calls inside. Empty if it calls none.
  std::vector<int> inline_call(int call);
  // Producers of a node's data inputs.
  std::vector<Ref> inputs_of(int id);
  // Nodes that `id` waits for without taking a tensor. In the place of a call stands what it returns; what a call waits
  // for, the nodes of its body wait for that wait for no other of them.
  std::vector<int> controls_of(int id);
  // Whether node `id` is a call that is, or can be, inlined.
  bool is_call(int id) const { return called_function(*node(id).def) != nullptr; }
  size_t call_outputs(int id) const { return called_function(*node(id).def)->outputs.size(); }

  const FlatNode& node(int id) const { return nodes_[static_cast<size_t>(id)]; }
  int node_count() const { return static_cast<int>(nodes_.size()); }  // grows while functions are inlined
  int main_node_count() const { return static_cast<int>(graph_.nodes.size()); }
  // The node's name, under the names of the calls that it was inlined from (calls that TensorFlow named itself are left out).
  std::string full_name(int id) const;
  int functions_inlined() const { return static_cast<int>(scopes_.size()) - 1; }

 private:
  struct Scope {
    const FunctionDef* function = nullptr;  // null: the main graph
    int call = -1;                          // flat node that calls it
    int depth = 0;
    std::vector<std::string_view> passed;  // what the call passes, as written in its own scope
    std::unordered_map<std::string_view, size_t> args;
    std::unordered_map<std::string_view, int> nodes;
  };
  static uint64_t key(Ref ref) { return static_cast<uint64_t>(ref.node) << 32 | static_cast<uint32_t>(ref.output); }
  const FunctionDef* called_function(const NodeDef& node) const;
  void add_nodes(int scope, const std::vector<NodeDef>& nodes);
  int enter(int call, const FunctionDef& function);
  // A reference as written in `scope`, not looked through. False: it is argument `arg` of the scope's function.
  bool parse(int scope, std::string_view text, Ref& ref, size_t& arg) const;
  Ref resolve_input(int scope, std::string_view text);
  bool is_alias(const NodeDef& node) const;
  bool step(Ref& ref);
  std::string where(int id) const;

  void add_controls(int scope, const NodeDef& def, std::vector<int>& controls);
  void add_returns(int call, std::vector<int>& controls);

  const GraphDef& graph_;
  Choices choices_;
  std::vector<NodeDef> arguments_;  // of the function that is flattened
  std::vector<Scope> scopes_;
  std::vector<FlatNode> nodes_;
  std::unordered_set<uint64_t> cuts_;
  std::unordered_map<uint64_t, Ref> resolved_;
};

}  // namespace tfengine::tfgraph
