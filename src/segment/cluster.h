// SPDX-License-Identifier: Apache-2.0
// Groups the candidates of a directed graph into as few connected clusters as it can find, such that clusters taken as
// single nodes leave no cycle. Pure graph arithmetic: what the nodes are and why they are candidates is the caller's.
#pragma once

#include <vector>

namespace tfengine::segment {

struct ClusterEdge {
  int from = 0;
  int to = 0;
  bool data = true;  // false: order only (control edges), which does not connect
};

struct ClusterNode {
  bool candidate = false;
  int group = 0;   // clusters do not mix groups; 0 goes with every one (a node without a device)
  int weight = 1;  // what the node counts towards `minimum_weight`
};

struct ClusterProblem {
  std::vector<ClusterNode> nodes;
  std::vector<ClusterEdge> edges;  // acyclic
  // Clusters of less weight are of no use to the caller: among equally many clusters, those that lose least to it win.
  int minimum_weight = 1;
};

// The cluster of each node, -1 for those that are no candidates. Clusters are numbered from 0 in the order of their
// first node. InternalError when the edges hold a cycle.
std::vector<int> find_clusters(const ClusterProblem& problem);

}  // namespace tfengine::segment
