// SPDX-License-Identifier: Apache-2.0
// The main graph of a GraphDef as nodes and edges: names resolved, what the outputs need, an order. Nothing is known here
// of what the nodes compute.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tfgraph/graph_def.h"

namespace tfengine::graphdef {

// Output `output` of node `node`.
struct TensorRef {
  int node = -1;
  int output = 0;
  bool operator==(const TensorRef&) const = default;
  auto operator<=>(const TensorRef&) const = default;
};

struct ViewNode {
  const tfgraph::NodeDef* def = nullptr;
  std::vector<TensorRef> inputs;  // data
  std::vector<int> controls;      // nodes that it waits for
  int outputs_used = 0;           // of the first so many outputs, the last one has a user
  bool needed = false;            // an output of the graph depends on it
  bool is_output = false;         // its name is asked for
  // A Const, or an Identity of one: a copy of it goes into every segment that needs it.
  bool constant = false;
  // A constant, or a NoOp, that waits for nothing but such: waiting for it orders nothing, and is dropped.
  bool inert = false;
};

class GraphView {
 public:
  // `outputs` are names of tensors or nodes; empty: the nodes that no other uses. `kept` names nodes that no copy stands
  // for. InvalidModel where the graph is malformed, InvalidArgument for an output that does not exist.
  GraphView(const tfgraph::GraphDef& graph, const std::vector<std::string>& outputs,
            const std::vector<std::string>& kept);

  const tfgraph::GraphDef& graph() const { return *graph_; }
  const ViewNode& node(int id) const { return nodes_[static_cast<size_t>(id)]; }
  int size() const { return static_cast<int>(nodes_.size()); }
  // Needed nodes, producers before users; the way back of a loop is left out.
  const std::vector<int>& order() const { return order_; }
  int find(std::string_view name) const;  // -1: there is none
  bool has_function(std::string_view name) const { return graph_->functions.count(name) > 0; }
  // Nodes that `id` has to come after for reasons of control, those of its constants included; no constants.
  std::vector<int> waits_for(int id) const;
  std::string where(int id) const;  // "Conv2D 'a/b'"
  // "name" or "name:1"
  std::string tensor_name(TensorRef ref) const;

 private:
  ViewNode& at(int id) { return nodes_[static_cast<size_t>(id)]; }
  TensorRef parse(std::string_view text, int user) const;
  void link();
  void drop_idle_controls();
  void mark_outputs(const std::vector<std::string>& outputs);
  void mark_needed();
  void sort();
  void mark_constants(const std::vector<std::string>& kept);

  const tfgraph::GraphDef* graph_;
  std::vector<ViewNode> nodes_;
  std::unordered_map<std::string_view, int> index_;
  std::vector<int> order_;
};

// Output i is input i: Identity and the like. They are not counted as work.
bool is_identity(std::string_view op);
// The node's name of "name:0" or "^name".
std::string_view node_name(std::string_view tensor);

}  // namespace tfengine::graphdef
