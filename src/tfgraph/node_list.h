// SPDX-License-Identifier: Apache-2.0
// The main graph of a GraphDef with edges that can be followed both ways, and nodes that come and go.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tfgraph/graph_def.h"

namespace tfengine::tfgraph {

struct NodeRef {
  int node = -1;
  int output = 0;
  bool operator==(const NodeRef&) const = default;
};

class NodeList {
 public:
  // InvalidModel where a node uses one that is not there.
  explicit NodeList(std::vector<NodeDef> nodes);

  int size() const { return static_cast<int>(nodes_.size()); }
  bool alive(int id) const { return alive_[static_cast<size_t>(id)]; }
  const NodeDef& operator[](int id) const { return nodes_[static_cast<size_t>(id)]; }
  // Producers of a node's tensors, and nodes that it waits for.
  std::vector<NodeRef> inputs(int id) const;
  std::vector<NodeRef> controls(int id) const;
  // InvalidModel if there is no such input.
  NodeRef input(int id, size_t index) const;
  // Who takes a tensor of the node, each once per tensor.
  const std::vector<int>& users(int id) const { return users_[static_cast<size_t>(id)]; }
  // As written. InvalidModel if there is none.
  std::string_view data_input(int id, size_t index) const;

  // Its inputs may be nodes that are removed already, as long as nothing asks for them.
  void add(NodeDef node);
  void remove(int id) { alive_[static_cast<size_t>(id)] = false; }
  // Removes nodes that take a tensor of a removed one, and theirs.
  void remove_orphans();
  // The node hands on the tensor `input` under its own name.
  void become_identity(int id, std::string_view input);
  // A name that no node has, kept in `texts`.
  std::string_view unique_name(std::deque<std::string>& texts, std::string_view wanted);
  std::vector<NodeDef> take();

 private:
  NodeRef find(std::string_view text, const NodeDef& user) const;
  void note_users(int id);

  std::vector<NodeDef> nodes_;
  std::vector<bool> alive_;
  std::vector<std::vector<int>> users_;
  std::unordered_map<std::string_view, int> by_name_;
};

}  // namespace tfengine::tfgraph
