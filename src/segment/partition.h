// SPDX-License-Identifier: Apache-2.0
// A partition of a graph's nodes into blocks, and what may be done to it: whether two blocks may become one, whether a
// node may change its block. The search over partitions is cluster.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "segment/cluster.h"

namespace tfengine::segment {

// The graph of a problem as neighbour lists, shared by all partitions of it.
struct Adjacency {
  explicit Adjacency(const ClusterProblem& problem);
  const ClusterProblem& problem;
  std::vector<std::vector<int>> next, previous;  // all edges
  std::vector<std::vector<int>> linked;          // candidates joined by a data edge, both directions
  std::vector<int> order;                        // topological
  mutable int64_t work = 0;                      // edges looked at so far: the search's clock
};

class Partition {
 public:
  // Every node its own block.
  explicit Partition(const Adjacency& graph);

  int block(int node) const { return block_[static_cast<size_t>(node)]; }
  const std::vector<int>& members(int block) const { return members_[static_cast<size_t>(block)]; }
  int weight(int block) const { return weight_[static_cast<size_t>(block)]; }
  bool is_cluster(int node) const;

  // The clusters of at least the minimum weight, and the weight of the others, as one number to make small: another
  // cluster has to save at least the minimum.
  int64_t cost() const;

  void merge(int a, int b);
  // Whether groups allow it and no path leaves the two blocks and comes back. The partition has to be acyclic.
  bool can_merge(int a, int b) const;
  // Moves `node` to `target` if it is linked to it, groups allow it, its own block stays connected and no cycle comes
  // to be; false, and nothing is changed, if not.
  bool try_move(int node, int target);

  std::vector<int> numbered() const;

 private:
  void move(int node, int target);
  bool groups_agree(int a, int b) const;
  bool stays_connected_without(int node) const;
  bool comes_back(int a, int b) const;
  bool acyclic() const;

  const Adjacency* graph_;
  std::vector<int> block_;
  std::vector<std::vector<int>> members_;
  std::vector<int> weight_;
  std::vector<int> group_;
  mutable std::vector<int> seen_;
  mutable int stamp_ = 0;
};

}  // namespace tfengine::segment
