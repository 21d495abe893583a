// SPDX-License-Identifier: Apache-2.0
#include "segment/cluster.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "segment/partition.h"

namespace tfengine::segment {

namespace {

// Bounds the improvement of large graphs: about a second.
constexpr int64_t kMaxWork = 200'000'000;
// Graphs of more candidates are not also tried from single nodes on.
constexpr size_t kSmallGraph = 400;

size_t at(int index) { return static_cast<size_t>(index); }

bool is_cut(const ClusterProblem& problem, const ClusterEdge& edge) {
  const ClusterNode& from = problem.nodes[at(edge.from)];
  const ClusterNode& to = problem.nodes[at(edge.to)];
  return from.candidate && (!to.candidate || !edge.data || from.group != to.group);
}

// How often a path from the beginning of the graph to each node leaves candidates: nodes of one level can be one block,
// because what connects them stays on the level.
std::vector<int> early_levels(const Adjacency& graph) {
  std::vector<std::vector<const ClusterEdge*>> in(graph.next.size());
  for (const ClusterEdge& edge : graph.problem.edges) in[at(edge.to)].push_back(&edge);
  std::vector<int> level(graph.next.size(), 0);
  for (const int node : graph.order) {
    for (const ClusterEdge* edge : in[at(node)]) {
      level[at(node)] = std::max(level[at(node)], level[at(edge->from)] + (is_cut(graph.problem, *edge) ? 1 : 0));
    }
  }
  return level;
}

// The same counted from the end, so that nodes stand as late as they can.
std::vector<int> late_levels(const Adjacency& graph) {
  std::vector<std::vector<const ClusterEdge*>> out(graph.next.size());
  for (const ClusterEdge& edge : graph.problem.edges) out[at(edge.from)].push_back(&edge);
  std::vector<int> level(graph.next.size(), 0);
  for (auto node = graph.order.rbegin(); node != graph.order.rend(); ++node) {
    for (const ClusterEdge* edge : out[at(*node)]) {
      level[at(*node)] = std::min(level[at(*node)], level[at(edge->to)] - (is_cut(graph.problem, *edge) ? 1 : 0));
    }
  }
  return level;
}

void merge_levels(const Adjacency& graph, const std::vector<int>& level, Partition& partition) {
  for (const ClusterEdge& edge : graph.problem.edges) {
    const bool joins = edge.data && graph.problem.nodes[at(edge.from)].candidate &&
                       graph.problem.nodes[at(edge.to)].candidate && !is_cut(graph.problem, edge);
    if (!joins || level[at(edge.from)] != level[at(edge.to)]) continue;
    const int a = partition.block(edge.from), b = partition.block(edge.to);
    if (a != b) partition.merge(a, b);
  }
}

// Neighbouring clusters become one where they can, until none can.
void merge_neighbours(const Adjacency& graph, const std::vector<int>& order, Partition& partition) {
  for (bool changed = true; changed && graph.work < kMaxWork;) {
    changed = false;
    for (const int node : order) {
      for (const int other : graph.linked[at(node)]) {
        const int a = partition.block(node), b = partition.block(other);
        if (a == b || !partition.can_merge(a, b)) continue;
        partition.merge(a, b);
        changed = true;
      }
    }
  }
}

// Gives away the nodes of `block` one by one to the clusters beside it; whether any went.
bool give_away(const Adjacency& graph, int block, bool from_the_end, Partition& partition) {
  bool any = false;
  for (bool changed = true; changed;) {
    changed = false;
    std::vector<int> members = partition.members(block);
    std::sort(members.begin(), members.end());
    if (from_the_end) std::reverse(members.begin(), members.end());
    for (const int node : members) {
      for (const int other : graph.linked[at(node)]) {
        if (graph.work > kMaxWork || partition.block(other) == block ||
            !partition.try_move(node, partition.block(other)))
          continue;
        changed = any = true;
        break;
      }
    }
  }
  return any;
}

// Clusters that others can take in disappear; clusters too light to be of use give away what they can.
void dissolve(const Adjacency& graph, Partition& best) {
  for (bool improved = true; improved && graph.work < kMaxWork;) {
    improved = false;
    for (int block = 0; block < static_cast<int>(graph.next.size()); ++block) {
      if (best.members(block).empty() || !best.is_cluster(best.members(block)[0])) continue;
      for (const bool from_the_end : {false, true}) {
        Partition trial = best;
        if (!give_away(graph, block, from_the_end, trial)) continue;
        merge_neighbours(graph, graph.order, trial);
        if (trial.cost() >= best.cost()) continue;
        best = std::move(trial);
        improved = true;
        break;
      }
    }
  }
}

}  // namespace

std::vector<int> find_clusters(const ClusterProblem& problem) {
  const Adjacency graph(problem);
  const std::vector<int> backwards(graph.order.rbegin(), graph.order.rend());
  std::optional<Partition> best;
  const auto consider = [&](Partition partition, const std::vector<int>& order) {
    merge_neighbours(graph, order, partition);
    if (!best || partition.cost() < best->cost()) best = std::move(partition);
  };
  for (const auto& levels : {early_levels(graph), late_levels(graph)}) {
    Partition partition(graph);
    merge_levels(graph, levels, partition);
    consider(partition, graph.order);
    consider(partition, backwards);
  }
  if (graph.next.size() <= kSmallGraph) {
    consider(Partition(graph), graph.order);
    consider(Partition(graph), backwards);
  }
  dissolve(graph, *best);
  return best->numbered();
}

}  // namespace tfengine::segment
